"""Signature Version 4 in thirty lines: for the requests that no SDK would send, such as one signed yesterday."""

import datetime
import hashlib
import hmac
import http.client
import urllib.parse


def signed(server, key, body, target=None, age_seconds=0, region="eu-central-1", service="sqs", secret=None):
    """The headers of a POST / with this body, signed so long ago."""
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age_seconds)
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": urllib.parse.urlsplit(server.url).netloc, "x-amz-date": stamp}
    if target:
        headers |= {"content-type": "application/x-amz-json-1.0", "x-amz-target": target}
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signing_key = f"AWS4{secret or key.secret}".encode()
    for part in scope.split("/"):
        signing_key = hmac.new(signing_key, part.encode(), "sha256").digest()
    signature = hmac.new(signing_key, text.encode(), "sha256").hexdigest()
    credential = f"Credential={key.id}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
    return headers


def post(server, headers, body, path="/"):
    """Sends it; returns status, headers and body of the answer."""
    where = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()
