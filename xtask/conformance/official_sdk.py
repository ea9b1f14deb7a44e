"""Drives DingTalk's official Python SDK against a running sandbox and checks what the SDK hands to its callers.

Usage: official_sdk.py http://127.0.0.1:PORT

Prints a line for each check and `N passed, N failed`; the exit code is 1 when a check failed. The SDK sends
`POST` with `content-type: application/json; charset=utf-8` and demands JSON objects in reply; a status of 400 or
more becomes a TeaException whose code, message and request id come from the reply's body.
"""

import asyncio
import os
import sys
import urllib.parse

from alibabacloud_dingtalk.oauth2_1_0 import models
from alibabacloud_dingtalk.oauth2_1_0.client import Client
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_util.models import RuntimeOptions

from checks import Checks, Sandbox, equal, refusal
from web_sign_in import check_web_sign_in

# The sandbox is on this machine: a proxy for the world outside must not come between.
for name in ("http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)


def access_token(client, app, **changed):
    fields = {"app_key": app["app_key"], "app_secret": app["app_secret"], **changed}
    return client.get_access_token(models.GetAccessTokenRequest(**fields))


def corp_token(client, app, corp_id=None, **changed):
    fields = {
        "client_id": app["app_key"],
        "client_secret": app["app_secret"],
        "grant_type": "client_credentials",
        **changed,
    }
    return client.get_token(corp_id or app["corp_id"], models.GetTokenRequest(**fields))


def granted(token, lifetime):
    assert isinstance(token, str) and token, f"{token!r} is no token"
    equal(lifetime, 7200)
    assert type(lifetime) is int, f"{lifetime!r} is no number"
    return token


def check_app(checks, client, app, corps, tokens):
    name = f"{app['app_key']} of {app['corp_id']}"
    wrong = app["app_secret"] + "x"

    def fetched():
        reply = access_token(client, app)
        equal(reply.status_code, 200)
        assert reply.headers.get("x-acs-request-id"), f"no request id in {reply.headers!r}"
        tokens[app["app_key"]] = granted(reply.body.access_token, reply.body.expire_in)

    def repeated():
        reply = access_token(client, app)
        equal(granted(reply.body.access_token, reply.body.expire_in), tokens[app["app_key"]])

    def repeated_async():
        request = models.GetAccessTokenRequest(app_key=app["app_key"], app_secret=app["app_secret"])

        async def both():
            return await asyncio.gather(
                client.get_access_token_async(request), client.get_access_token_async(request)
            )

        for reply in asyncio.run(both()):
            equal(granted(reply.body.access_token, reply.body.expire_in), tokens[app["app_key"]])

    def of_corp():
        reply = corp_token(client, app)
        equal(reply.status_code, 200)
        granted(reply.body.access_token, reply.body.expires_in)

    def of_other_corp():
        others = [corp["corp_id"] for corp in corps if corp["corp_id"] != app["corp_id"]]
        assert others, "the world has one corp only"
        refusal(lambda: corp_token(client, app, others[0]), 401, "unauthorized.client")

    checks.check(f"{name}: a token is fetched", fetched)
    checks.check(f"{name}: a repeat gives the same token", repeated)
    checks.check(f"{name}: the asynchronous client gets it too", repeated_async)
    checks.check(f"{name}: a token is fetched for its corp", of_corp)
    checks.check(
        f"{name}: a wrong secret is invalidClientIdOrSecret",
        lambda: refusal(
            lambda: access_token(client, app, app_secret=wrong), 400, "invalidClientIdOrSecret"
        ),
    )
    checks.check(
        f"{name}: a wrong secret for its corp is invalid.client",
        lambda: refusal(lambda: corp_token(client, app, client_secret=wrong), 400, "invalid.client"),
    )
    checks.check(f"{name}: another corp is unauthorized.client", of_other_corp)


def check_requests(checks, client, sandbox, app, token, user_id):
    """What does not depend on which app asks. `user_id` is somebody of the app's corp, `token` the app's."""
    checks.check(
        "an unknown app is invalidClientIdOrSecret",
        lambda: refusal(
            lambda: access_token(client, app, app_key="dingnosuchapp"), 400, "invalidClientIdOrSecret"
        ),
    )
    for field, missing in [("app_key", "MissingappKey"), ("app_secret", "MissingappSecret")]:
        checks.check(
            f"a request without {field} is {missing}",
            lambda field=field, missing=missing: refusal(
                lambda: access_token(client, app, **{field: None}), 400, missing
            ),
        )
    for field in ["client_id", "client_secret", "grant_type"]:
        checks.check(
            f"a request for a corp without {field} is Missing{field}",
            lambda field=field: refusal(
                lambda: corp_token(client, app, **{field: None}), 400, f"Missing{field}"
            ),
        )
    checks.check(
        "another grant type is unsupported.grant.type",
        lambda: refusal(
            lambda: corp_token(client, app, grant_type="password"), 400, "unsupported.grant.type"
        ),
    )
    checks.check(
        "a corp that does not exist is unknownError",
        lambda: refusal(lambda: corp_token(client, app, "dingnosuchcorp"), 500, "unknownError"),
    )

    def unknown_path():
        headers = models.GetPersonalAuthRuleHeaders(x_acs_dingtalk_access_token=token)
        refusal(
            lambda: client.get_personal_auth_rule_with_options(headers, RuntimeOptions()),
            404,
            "InvalidAction.NotFound",
        )

    def request_ids():
        def refused():
            return refusal(
                lambda: access_token(client, app, app_secret="x"), 400, "invalidClientIdOrSecret"
            )

        assert refused() != refused(), "two refusals share a request id"

    def silent_login():
        wanted = {"flow": "silent", "corp_id": app["corp_id"], "user_id": user_id, "app": app["app_key"]}
        code = sandbox.post("/sandbox/codes", wanted)["code"]
        query = "?" + urllib.parse.urlencode({"access_token": token})
        login = sandbox.post("/topapi/v2/user/getuserinfo" + query, {"code": code})
        equal((login["errcode"], login["result"]["userid"]), (0, user_id))
        details = sandbox.post("/topapi/v2/user/get" + query, {"userid": user_id})
        equal((details["errcode"], details["result"]["userid"]), (0, user_id))

    def counted():
        count = "/sandbox/calls/count?" + urllib.parse.urlencode({"route": ACCESS_TOKEN})
        before = sandbox.get(count)["count"]
        access_token(client, app)
        equal(sandbox.get(count)["count"], before + 1)

    def throttled():
        code = "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"
        fault = {"route": ACCESS_TOKEN, "kind": "code", "http_status": 403, "code": code, "times": 1}
        sandbox.post("/sandbox/faults", fault)
        refusal(lambda: access_token(client, app), 403, code)
        access_token(client, app)

    checks.check("a path that DingTalk does not have is InvalidAction.NotFound", unknown_path)
    checks.check("each refusal has its own request id", request_ids)
    checks.check("the SDK's token carries a silent login on the old API", silent_login)
    checks.check("the SDK's calls are counted", counted)
    checks.check("a throttled call is a typed error, and the next one passes", throttled)


def main(url):
    sandbox = Sandbox(url)
    world = sandbox.get("/sandbox/world")
    config = Config(protocol="http", endpoint=urllib.parse.urlsplit(url).netloc)
    client = Client(config)

    checks = Checks()
    tokens = {}
    for app in world["apps"]:
        check_app(checks, client, app, world["corps"], tokens)
    checks.check(
        "each app has a token of its own",
        lambda: equal(len(set(tokens.values())), len(world["apps"])),
    )
    # The first app and the first person of the built-in world may do everything.
    app, person = world["apps"][0], world["people"][0]
    token = tokens.get(app["app_key"])
    check_requests(checks, client, sandbox, app, token, person["user_id"])
    check_web_sign_in(checks, config, sandbox, world, token)
    print(f"\n{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


ACCESS_TOKEN = "POST /v1.0/oauth2/accessToken"

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
