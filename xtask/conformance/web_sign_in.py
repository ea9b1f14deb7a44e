"""Web sign-in by the SDK: codes and refresh tokens to user tokens, user tokens to accounts, kinds of codes crossed."""

import base64
import hashlib
import hmac
import urllib.parse

from alibabacloud_dingtalk.contact_1_0 import client as contact_client
from alibabacloud_dingtalk.contact_1_0 import models as contact_models
from alibabacloud_dingtalk.oauth2_1_0 import client as oauth2_client
from alibabacloud_dingtalk.oauth2_1_0 import models as oauth2_models
from alibabacloud_tea_util.models import RuntimeOptions

from checks import equal, refusal

NOT_FOUND = "invalidParameter.authCode.notFound"
DENIED = "Forbidden.AccessDenied.AccessTokenPermissionDenied"


class Calls:
    """The SDK's two clients, for one app."""

    def __init__(self, config, app):
        self.oauth2 = oauth2_client.Client(config)
        self.contact = contact_client.Client(config)
        self.app = app

    def token(self, **fields):
        fields = {"client_id": self.app["app_key"], "client_secret": self.app["app_secret"], **fields}
        return self.oauth2.get_user_token(oauth2_models.GetUserTokenRequest(**fields))

    def trade(self, code):
        return self.token(grant_type="authorization_code", code=code)

    def refresh(self, refresh_token):
        return self.token(grant_type="refresh_token", refresh_token=refresh_token)

    def user(self, token, who="me"):
        headers = contact_models.GetUserHeaders(x_acs_dingtalk_access_token=token)
        return self.contact.get_user_with_options(who, headers, RuntimeOptions())


def check_web_sign_in(checks, config, sandbox, world, app_token):
    """`app_token` is the first app's own. The first app may do everything, the second may not read accounts."""
    app, person = world["apps"][0], world["people"][0]
    calls = Calls(config, app)

    def code(flow="web", **changed):
        wanted = {"flow": flow, "app": app["app_key"], "user_id": person["user_id"], **changed}
        return sandbox.post("/sandbox/codes", wanted)["code"]

    def traded():
        reply = calls.trade(code())
        equal(reply.status_code, 200)
        for token in (reply.body.access_token, reply.body.refresh_token):
            assert isinstance(token, str) and token, f"{token!r} is no token"
        equal((reply.body.expire_in, reply.body.corp_id), (7200, app["corp_id"]))
        return reply.body

    def without_corp():
        equal(calls.trade(code(scope="openid")).body.corp_id, None)

    def from_the_page():
        query = {
            "client_id": app["app_key"],
            "redirect_uri": "http://127.0.0.1:9/callback?kept=1",
            "response_type": "code",
            "scope": "openid corpid",
            "prompt": "none",
            "state": "a b+c",
        }
        sandbox.page("/oauth2/auth?" + urllib.parse.urlencode(query))
        waiting = sandbox.get("/sandbox/signins")["signins"][-1]
        wanted = {"id": waiting["id"], "user_id": person["user_id"]}
        confirmed = sandbox.post("/sandbox/signins/confirm", wanted)
        back = urllib.parse.urlsplit(sandbox.page(confirmed["next"]))
        equal(back._replace(query="").geturl(), "http://127.0.0.1:9/callback")
        fields = dict(urllib.parse.parse_qsl(back.query))
        equal((fields["kept"], fields["state"]), ("1", "a b+c"))
        equal(fields["code"], fields["authCode"])
        equal(calls.trade(fields["authCode"]).body.corp_id, app["corp_id"])

    def used():
        once = code()
        calls.trade(once)
        refusal(lambda: calls.trade(once), 400, NOT_FOUND)

    def refreshed():
        first = traded()
        second = calls.refresh(first.refresh_token).body
        assert first.access_token != second.access_token, "the access token is the old one"
        assert first.refresh_token != second.refresh_token, "the refresh token is the old one"
        equal((second.expire_in, second.corp_id), (7200, app["corp_id"]))
        equal(calls.user(second.access_token).body.union_id, person["union_id"])
        refusal(lambda: calls.refresh(first.refresh_token), 400, NOT_FOUND)

    def me():
        reply = calls.user(traded().access_token)
        equal(reply.status_code, 200)
        account = reply.body
        shown = (account.nick, account.union_id, account.mobile, account.state_code, account.email)
        equal(shown, tuple(person[key] for key in ("name", "union_id", "mobile", "state_code", "email")))
        equal(account.avatar_url, person["avatar"])
        assert account.open_id and account.open_id != account.union_id, f"{account.open_id!r}"

    def by_union_id():
        other = world["people"][1]
        equal(calls.user(traded().access_token, other["union_id"]).body.nick, other["name"])

    def nobody():
        token = traded().access_token
        refusal(lambda: calls.user(token, "nobody"), 404, "invalidParameter.user.notFound")

    def denied():
        poor = Calls(config, world["apps"][1])
        token = poor.trade(code(app=poor.app["app_key"])).body.access_token
        error = refusal(lambda: poor.user(token), 403, DENIED, whole=True)
        equal(error.data["accessdenieddetail"], {"requiredScopes": ["Contact.User.Read"]})

    def crossed():
        desk = world["sign_in_apps"][0]
        silent, web = code("silent"), code("web")
        sns = code("sns", app=desk["app_id"])
        query = "?" + urllib.parse.urlencode({"access_token": app_token})

        def silent_login(one):
            return sandbox.post("/topapi/v2/user/getuserinfo" + query, {"code": one})["errcode"]

        def older(one):
            return sandbox.post(signed(desk, sandbox.get("/sandbox/clock")["now_ms"]), {"tmp_auth_code": one})

        for other in (web, sns):
            equal(silent_login(other), 40078)
        for other in (silent, sns):
            refusal(lambda other=other: calls.trade(other), 400, NOT_FOUND)
        for other in (silent, web):
            equal(older(other)["errcode"], 40078)
        # Each is whole still at its own endpoint.
        equal(silent_login(silent), 0)
        equal(calls.trade(web).status_code, 200)
        equal(older(sns)["user_info"]["unionid"], person["union_id"])

    checks.check("a web sign-in's code is a pair of tokens with its corp", traded)
    checks.check("without corpid in the scope no corp is told", without_corp)
    checks.check("the sign-in page's own code does too, by QR code", from_the_page)
    checks.check(f"a used code is {NOT_FOUND}", used)
    checks.check("a refresh gives a new pair and ends the old refresh token", refreshed)
    checks.check("a user token shows its own account", me)
    checks.check("a user token shows a colleague's account", by_union_id)
    checks.check("an account that does not exist is invalidParameter.user.notFound", nobody)
    checks.check(f"an app without Contact.User.Read is {DENIED}", denied)
    checks.check("codes of three kinds buy nothing at the others' endpoints", crossed)
    checks.check(
        "an app's token opens no account",
        lambda: refusal(lambda: calls.user(app_token), 400, "InvalidAuthentication"),
    )
    checks.check(
        "a call for an account without a token is AuthenticationFailed.MissingParameter",
        lambda: refusal(
            lambda: calls.user(None), 400, "AuthenticationFailed.MissingParameter"
        ),
    )
    checks.check(
        "a wrong secret at userAccessToken is invalidClientIdOrSecret",
        lambda: refusal(
            lambda: calls.token(client_secret="x", grant_type="authorization_code", code="x"),
            400,
            "invalidClientIdOrSecret",
        ),
    )
    fields = {"client_id": "clientId", "client_secret": "clientSecret", "grant_type": "grantType", "code": "code"}
    for field, name in fields.items():
        whole = {"grant_type": "authorization_code", "code": "x", field: None}
        checks.check(
            f"userAccessToken without {field} is Missing{name}",
            lambda whole=whole, name=name: refusal(
                lambda: calls.token(**whole), 400, f"Missing{name}"
            ),
        )


def signed(app, now_ms):
    """The signed path of the older pages' call, as their documentation computes it."""
    digest = hmac.new(app["app_secret"].encode(), str(now_ms).encode(), hashlib.sha256).digest()
    query = {"accessKey": app["app_id"], "timestamp": now_ms, "signature": base64.b64encode(digest).decode()}
    return "/sns/getuserinfo_bycode?" + urllib.parse.urlencode(query)
