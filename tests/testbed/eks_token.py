"""Judges a `k8s-aws-v1.` token as EKS does: a presigned GetCallerIdentity, signed for one cluster."""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import re
from urllib.parse import parse_qsl, quote, urlsplit

PREFIX = "k8s-aws-v1."
MAX_LENGTH = 4096
LIFETIME = datetime.timedelta(minutes=15)
STS_HOST = re.compile(r"sts(\.[a-z0-9-]+)?\.amazonaws\.com")
REQUIRED = {
    "Action",
    "Version",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
}
FIXED = {"Action": "GetCallerIdentity", "Version": "2011-06-15", "X-Amz-Algorithm": "AWS4-HMAC-SHA256"}
SIGNED = "host;x-k8s-aws-id"


class Refused(Exception):
    """Why a token is not taken."""


def check(token: str, cluster: str, secrets: dict[str, str], now: datetime.datetime | None = None) -> None:
    """Raises Refused unless the token is of the right form, fresh, and signed for this cluster.

    The signature is verified where `secrets` knows the access key; of others, only the form can be judged.
    """
    host, query = _url(token)
    params = _params(query)
    _fresh(params, now or datetime.datetime.now(datetime.timezone.utc))
    _signature(host, params, cluster, secrets)


def _url(token: str) -> tuple[str, str]:
    if not token.startswith(PREFIX):
        raise Refused(f"the token does not start with {PREFIX}")
    if len(token) > MAX_LENGTH:
        raise Refused(f"the token has {len(token)} characters, more than {MAX_LENGTH}")
    encoded = token[len(PREFIX) :]
    if not re.fullmatch(r"[A-Za-z0-9_-]+", encoded):
        raise Refused("the token is not base64url without padding")
    try:
        url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("ascii"))
    except (binascii.Error, ValueError) as error:
        raise Refused(f"the token cannot be decoded: {error}") from error
    if url.scheme != "https" or url.path != "/" or url.fragment:
        raise Refused("the token is not a URL https://HOST/?QUERY")
    if not STS_HOST.fullmatch(url.netloc):
        raise Refused(f"{url.netloc} is not a host of STS")
    return url.netloc, url.query


def _params(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise Refused(f"the query cannot be read: {error}") from error
    params = dict(pairs)
    if len(pairs) != len(params):
        raise Refused("a parameter occurs twice")
    if missing := sorted(REQUIRED - set(params)):
        raise Refused(f"missing parameters: {missing}")
    if unknown := sorted(set(params) - REQUIRED - {"X-Amz-Security-Token"}):
        raise Refused(f"unknown parameters: {unknown}")
    for name, value in FIXED.items():
        if params[name] != value:
            raise Refused(f"{name} is {params[name]}, not {value}")
    if not set(SIGNED.split(";")) <= set(params["X-Amz-SignedHeaders"].split(";")):
        raise Refused(f"the signed headers are {params['X-Amz-SignedHeaders']}, without {SIGNED}")
    return params


def _fresh(params: dict[str, str], now: datetime.datetime) -> None:
    if not re.fullmatch(r"\d{1,3}", params["X-Amz-Expires"]) or int(params["X-Amz-Expires"]) > 900:
        raise Refused(f"X-Amz-Expires is {params['X-Amz-Expires']}, not 0..900")
    try:
        date = datetime.datetime.strptime(params["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    except ValueError as error:
        raise Refused(f"X-Amz-Date: {error}") from error
    if abs(now - date.replace(tzinfo=datetime.timezone.utc)) > LIFETIME:
        raise Refused(f"X-Amz-Date is {params['X-Amz-Date']}: the token has expired")


def _signature(host: str, params: dict[str, str], cluster: str, secrets: dict[str, str]) -> None:
    key, *scope = params["X-Amz-Credential"].split("/")
    if len(scope) != 4 or scope[0] != params["X-Amz-Date"][:8] or scope[2:] != ["sts", "aws4_request"]:
        raise Refused(f"X-Amz-Credential is {params['X-Amz-Credential']}, not KEY/DATE/REGION/sts/aws4_request")
    if key not in secrets:
        return
    if params["X-Amz-SignedHeaders"] != SIGNED:
        raise Refused(f"more headers are signed than {SIGNED}; their values are not known here")
    if not hmac.compare_digest(_sign(host, params, cluster, scope, secrets[key]), params["X-Amz-Signature"]):
        raise Refused(f"the signature does not match; is the token for the cluster {cluster}?")


def _sign(host: str, params: dict[str, str], cluster: str, scope: list[str], secret: str) -> str:
    signed = {name: value for name, value in params.items() if name != "X-Amz-Signature"}
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(signed.items())
    )
    request = f"GET\n/\n{query}\nhost:{host}\nx-k8s-aws-id:{cluster}\n\n{SIGNED}\n{hashlib.sha256().hexdigest()}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{params['X-Amz-Date']}\n{'/'.join(scope)}\n{digest}"
    signing_key = f"AWS4{secret}".encode()
    for part in scope:
        signing_key = hmac.digest(signing_key, part.encode(), "sha256")
    return hmac.new(signing_key, text.encode(), "sha256").hexdigest()
