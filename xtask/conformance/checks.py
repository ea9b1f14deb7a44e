"""What the checks are made of: the sandbox without the SDK, a counter of checks, and the SDK's typed error."""

import json
import traceback
import urllib.error
import urllib.request

from Tea.exceptions import TeaException
from darabonba.exceptions import UnretryableException


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Where a redirect leads is something to check, not to follow."""

    def redirect_request(self, *_):
        return None


class Sandbox:
    """The sandbox as seen without the SDK: its world, its control API, its old-generation API."""

    def __init__(self, url):
        self.url = url.rstrip("/")
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)

    def get(self, path):
        return self._send(urllib.request.Request(self.url + path))

    def post(self, path, body):
        headers = {"content-type": "application/json"}
        data = json.dumps(body).encode()
        return self._send(urllib.request.Request(self.url + path, data, headers))

    def page(self, path):
        """Where a page sends its browser, or None when it shows itself."""
        request = urllib.request.Request(self.url + path)
        try:
            with self.opener.open(request, timeout=10):
                return None
        except urllib.error.HTTPError as answer:
            equal(answer.code, 303)
            return answer.headers["location"]

    def _send(self, request):
        with self.opener.open(request, timeout=10) as reply:
            return json.loads(reply.read() or b"null")


class Checks:
    """Runs each check, prints its line, counts."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, sentence, run):
        try:
            run()
        except Exception:  # Whatever went wrong is a failed check, shown in full.
            self.failed += 1
            print(f"FAIL  {sentence}")
            print(traceback.format_exc(), end="", flush=True)
        else:
            self.passed += 1
            print(f"ok    {sentence}", flush=True)


def equal(left, right):
    assert left == right, f"{left!r} is not {right!r}"


def refusal(call, status, code, whole=False):
    """The SDK's typed error for `call`, which must carry `status`, `code` and a request id; returns that id, or the `whole` error."""
    try:
        reply = call()
    except TeaException as error:
        equal(type(error), UnretryableException)
        equal(error.code, code)
        equal(error.statusCode, status)
        equal(error.data["statusCode"], status)
        request_id = error.data.get("requestid")
        assert isinstance(request_id, str) and request_id, f"no request id in {error.data!r}"
        assert error.data.get("message"), f"no message in {error.data!r}"
        equal(error.message, f"code: {status}, {error.data['message']} request id: {request_id}")
        return error if whole else request_id
    raise AssertionError(f"no refusal but {reply.to_map()!r}")
