"""Talking to a cluster: where it is, who asks, and what its refusals mean.

Credentials come from the environment alone and are kept nowhere: `API_KEY`, or `USER` and `PASSWORD`, and `CA`, a file
of certificates to trust. `URL` overrides the address that an index recorded.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import elastic_transport
import elasticsearch
from elasticsearch import Elasticsearch

from provenance.errors import EngineUnavailable, ParameterError

URL = "PROVENANCE_ELASTICSEARCH_URL"
API_KEY = "PROVENANCE_ELASTICSEARCH_API_KEY"
USER = "PROVENANCE_ELASTICSEARCH_USER"
PASSWORD = "PROVENANCE_ELASTICSEARCH_PASSWORD"
CA = "PROVENANCE_ELASTICSEARCH_CA"

ANSWER_SECONDS = 30.0
"""How long one answer may take."""
PATIENCE = 120.0
"""Seconds for which a writer goes on asking a cluster that is busy or away."""
READING_PATIENCE = 2.0
"""Seconds for which a question is asked again: a node that restarts is no reason to fail what others can answer."""
BUSY = frozenset({429, 502, 503, 504})
"""Answers of a cluster that may be able to later."""
_LONGEST_PAUSE = 10.0
_HERE = ("127.0.0.1", "localhost", "::1")
_PORT = {"http": 80, "https": 443}
_JSON = {"accept": "application/json"}

_ANOTHER = (
    "this is not Elasticsearch (an OpenSearch server, or a proxy that removes the header X-Elastic-Product); "
    "use Elasticsearch 8 or 9, or the embedded engine"
)

T = TypeVar("T")


def check_url(url: str) -> str:
    """Return the address of a cluster: that of a node, or of several with commas between.

    Raises `ParameterError`: it is recorded, so it may hold no password.
    """
    nodes = [node.strip().rstrip("/") for node in url.split(",")]
    for node in nodes:
        try:
            parts = urlsplit(node)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment:
            raise ParameterError("the Elasticsearch URL is not one; give for example https://host:9200")
        if parts.username is not None or parts.password is not None:
            raise ParameterError(f"the Elasticsearch URL holds credentials; put them into {USER} and {PASSWORD}")
    if len({node.partition(":")[0] for node in nodes}) > 1:
        raise ParameterError("the Elasticsearch URLs are of http and https; all nodes of a cluster speak the same")
    return ",".join(nodes)


def connect(url: str, environment: Mapping[str, str] = os.environ) -> Elasticsearch:
    """Return a client for a cluster; nothing is asked yet. Raises `ParameterError` for settings that cannot be."""
    url = check_url(url)
    options: dict[str, Any] = {}
    key, user, password = (environment.get(name) for name in (API_KEY, USER, PASSWORD))
    if key:
        options["api_key"] = key
    elif user or password:
        if not (user and password):
            raise ParameterError(f"set {USER} and {PASSWORD} both, or {API_KEY}")
        options["basic_auth"] = (user, password)
    if (authority := environment.get(CA)) and url.startswith("https:"):
        if not os.path.isfile(authority):
            raise ParameterError(f"{CA}: {authority} is no file; name a file of PEM certificates")
        options["ca_certs"] = authority
    nodes = [_with_port(node) for node in url.split(",")]
    if options and not all(node.startswith("https:") or urlsplit(node).hostname in _HERE for node in nodes):
        raise ParameterError(f"{url}: credentials are not sent over plain http to another host; use https")
    try:
        # Where one node cannot be reached the next one is asked; all else is asked again by `patiently`.
        options |= {"max_retries": len(nodes) - 1, "retry_on_status": ()}
        return Elasticsearch(nodes, request_timeout=ANSWER_SECONDS, **options)
    except (OSError, ValueError) as error:
        raise ParameterError(f"{CA}: the certificates cannot be read ({type(error).__name__})") from error


def _with_port(node: str) -> str:
    parts = urlsplit(node)
    return node if parts.port else parts._replace(netloc=f"{parts.netloc}:{_PORT[parts.scheme]}").geturl()


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Turn what the client raises into `EngineUnavailable`; a message holds nothing of what was sent."""
    try:
        yield
    except elasticsearch.UnsupportedProductError:
        raise EngineUnavailable(f"{url}: {_ANOTHER}") from None
    except elastic_transport.TlsError:
        raise EngineUnavailable(
            f"{url}: no trusted TLS connection; name the cluster's certificate authority in {CA}"
        ) from None
    except elastic_transport.ConnectionTimeout:
        raise EngineUnavailable(f"{url}: Elasticsearch did not answer within {ANSWER_SECONDS:.0f} s") from None
    except elastic_transport.TransportError:
        raise EngineUnavailable(f"{url}: Elasticsearch cannot be reached; is it running there?") from None
    except elasticsearch.ApiError as error:
        # The client looks for the product's name in what succeeds alone. A proxy before Elasticsearch may refuse, too.
        if error.status_code in (400, 404, 405, 501) and error.meta.headers.get("x-elastic-product") != "Elasticsearch":
            raise EngineUnavailable(f"{url}: {_ANOTHER}") from None
        raise EngineUnavailable(f"{url}: {meaning(error.status_code, cause_of(error.body))}") from None


def cause_of(body: object) -> str:
    """Return the type of an error, which is a name; its reason may hold text of documents."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        causes = error.get("root_cause") or error.get("failed_shards") or ()
        inner = causes[0] if causes else {}
        found = inner.get("type") or inner.get("reason", {}).get("type") if isinstance(inner, dict) else None
        return str(found or error.get("type") or "")
    return ""


def meaning(status: int, cause: str) -> str:
    """Return what an answer that is none means, and what helps."""
    known = f"HTTP {status}{f', {cause}' if cause else ''}"
    if status == 401:
        return f"the credentials are wrong or missing (401); set {API_KEY}, or {USER} and {PASSWORD}"
    if cause == "cluster_block_exception":
        return (
            f"the index is read-only ({known}): most often a disk of the cluster is nearly full; "
            "make room, and the block goes by itself"
        )
    if status == 403:
        return f"this user may not do that ({known}); docs/elasticsearch.md lists the rights that are needed"
    if cause == "media_type_header_exception":
        return f"the server is Elasticsearch of another version than 8 or 9 ({known})"
    if cause == "index_closed_exception":
        return f"the index is closed on the cluster ({known}); open it there"
    if status == 404:
        return (
            f"the index is not on the cluster ({known}); is this the right cluster? Else `provenance compact "
            "--elasticsearch-new` loads the folder's texts again, or build it again"
        )
    if status in BUSY:
        return f"the cluster is overloaded or a part of it is away ({known}); try again later"
    if cause == "too_many_clauses":
        return f"the query is too large ({known})"
    return f"the cluster refused ({known})"


def is_passing(error: Exception) -> bool:
    """Tell whether asking again may help."""
    if isinstance(error, elasticsearch.ApiError):
        return error.status_code in BUSY and cause_of(error.body) != "cluster_block_exception"
    return isinstance(error, elastic_transport.TransportError) and not isinstance(error, elastic_transport.TlsError)


def patiently(ask: Callable[[], T], patience: float | None = None) -> T:
    """Return an answer, asking again while the cluster is busy or away; then raises what it raised last."""
    pauses = Pauses(PATIENCE if patience is None else patience)
    while True:
        try:
            return ask()
        except (elasticsearch.ApiError, elastic_transport.TransportError) as error:
            if not is_passing(error) or not pauses.next():
                raise


class Pauses:
    """Waits longer and longer, by chance, so that many writers do not come back at once."""

    def __init__(self, patience: float) -> None:
        """Begin the time in which to go on."""
        self._end = time.monotonic() + patience
        self._longest = 0.1

    def next(self) -> bool:
        """Wait; returns false, at once, where the time is over."""
        left = self._end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, random.uniform(0.5, 1.0) * self._longest))
        self._longest = min(2 * self._longest, _LONGEST_PAUSE)
        return True


def finished_task(client: Elasticsearch, task: str) -> Mapping[str, Any]:
    """Wait for a task of the cluster and return its answer, however long it takes."""
    pause = 0.02
    while True:
        # The client's own method warns that its answers may change one day.
        answer = patiently(lambda: client.perform_request("GET", f"/_tasks/{task}", headers=_JSON)).body
        if answer["completed"]:
            found: Mapping[str, Any] = answer.get("response") or {}
            return found
        time.sleep(pause)
        pause = min(2 * pause, 2.0)
