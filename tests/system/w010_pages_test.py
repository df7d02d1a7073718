# SPDX-License-Identifier: BSD-2-Clause
"""The admin pages, as a browser, a monitor and Prometheus see them."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

import http1

ADMIN = ("-A", "tcp://127.0.0.1:0")
SERVICE = ("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")

PAGES = {
    "/": "text/html; charset=utf-8",
    "/status.json": "application/json",
    "/metrics": "text/plain; version=0.0.4; charset=utf-8",
    "/healthz": "text/plain; charset=utf-8",
    "/readyz": "text/plain; charset=utf-8",
}


def get(t, path, method="GET"):
    with t.connect(-1) as s:
        return http1.ask(s, http1.get(path, "Connection: close",
                                      method=method))


@pytest.mark.parametrize("path", PAGES)
def test_each_page_has_its_type_and_is_not_to_be_kept(tine, path):
    t = tine(*ADMIN, *SERVICE)
    answer = get(t, path)
    assert answer.status == 200
    assert answer.fields["content-type"] == PAGES[path]
    assert answer.fields["cache-control"] == "no-store"
    head = get(t, path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.fields["content-type"] == PAGES[path]
    assert get(t, path, "POST").status == 405
    assert get(t, path, "POST").fields["allow"] == "GET, HEAD"
    assert get(t, path + "x").status == 404


def test_health_and_readiness_are_one_line(tine):
    t = tine(*ADMIN, *SERVICE)
    assert get(t, "/healthz").body == b"ok\n"
    assert get(t, "/readyz").body == b"ready\n"


def form(value):
    """What a JSON text has in it but its numbers."""
    if isinstance(value, dict):
        return {k: form(v) for k, v in value.items()}
    if isinstance(value, list):
        return [form(v) for v in value]
    return type(value).__name__


def test_the_status_is_that_of_tinectl(tine):
    t = tine(*ADMIN, *SERVICE)
    shown, said = json.loads(get(t, "/status.json").body), t.status()
    assert form(shown) == form(said)
    for key in ("place", "pid", "generation", "state", "restarts"):
        assert [c[key] for c in shown["children"]] == \
            [c[key] for c in said["children"]]
    assert shown["admin"] == said["admin"]


def test_the_metrics_are_those_of_tinectl(tine):
    t = tine(*ADMIN, *SERVICE)

    def names(text):
        return {(f.name, f.type, f.documentation, s.name,
                 tuple(sorted(s.labels.items())))
                for f in text_string_to_metric_families(text)
                for s in f.samples}

    shown = get(t, "/metrics").body.decode()
    assert names(shown) == names(t.tinectl("metrics").stdout)
    assert shown.endswith("\n")


def test_what_is_shown_is_never_older_than_the_request(tine):
    t = tine(*ADMIN, *SERVICE)
    with t.connect(-1) as admin:
        for n in range(1, 6):
            assert t.tinectl("kill", 0).returncode == 0
            shown = json.loads(http1.ask(
                admin, http1.get("/status.json")).body)
            assert shown["master"]["crashes"] == n
            assert len(shown["children"]) == 2


def test_requests_in_one_packet_are_answered_in_order(tine):
    t = tine(*ADMIN, *SERVICE)
    with t.connect(-1) as s:
        s.sendall(b"".join(http1.get(path) for path in PAGES))
        for kind in PAGES.values():
            answer = http1.read_answer(s)
            assert answer.status == 200
            assert answer.fields["content-type"] == kind


def test_a_unix_socket_serves_them_too(tine):
    t = tine("-A", "unix://admin.sock", *SERVICE)
    url, handler = t.listeners[-1]
    assert (url.endswith("admin.sock"), handler) == (True, "status")
    assert get(t, "/readyz").body == b"ready\n"


def test_both_addresses_of_a_name_serve_them(tine):
    t = tine("-A", "localhost:0", *SERVICE)
    for i, (_, handler) in enumerate(t.listeners):
        if handler != "status":
            continue
        with t.connect(i) as s:
            assert http1.ask(s, http1.get("/healthz")).status == 200


def test_a_busy_address_is_an_error_of_the_start(tine, run_tine):
    t = tine(*ADMIN, *SERVICE)
    done = run_tine("-C", "none", "-A", f"127.0.0.1:{t.port(-1)}",
                    "-l", "tcp://127.0.0.1:0", "echo")
    assert done.returncode == 69
    assert f"127.0.0.1:{t.port(-1)}" in done.stderr
    assert "in use" in done.stderr


def test_a_single_process_says_that_it_has_none(tine):
    t = tine("-X", *ADMIN, "-l", "tcp://127.0.0.1:0", "echo", control=None)
    assert t.log("no admin listener")
    assert [handler for _, handler in t.listeners] == ["echo"]
