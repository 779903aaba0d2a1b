"""The hub's own library against a server that answers as the hub does."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

import priory
from priory import MoGPrior

pytest.importorskip("huggingface_hub")
COMMIT = "a" * 40

CODE = """
import sys
import priory
from priory import hub
loaded = hub.from_pretrained("me/prior", revision="v1", cache_dir=sys.argv[1])
print(loaded.num_components)
again = hub.from_pretrained("me/prior", revision="v1", cache_dir=sys.argv[1], local_files_only=True)
print(again.num_components)
for call in (
    lambda: hub.from_pretrained("me/prior", max_bytes=10, cache_dir=sys.argv[1]),
    lambda: priory.load("hf://me/nothing"),
):
    try:
        call()
    except (ValueError, FileNotFoundError) as error:
        print(type(error).__name__, error)
"""


def serve(files):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            path = self.path.partition("?")[0]
            asked.append((self.command, path))
            if path.startswith("/api/models/me/prior/tree/"):
                found = [
                    {"type": "file", "path": name, "size": len(text), "oid": "0" * 40}
                    for name, text in files.items()
                ]
                self.reply(json.dumps(found).encode(), body)
            elif path.startswith("/api/models/me/prior"):
                siblings = [{"rfilename": name, "size": len(text)} for name, text in files.items()]
                content = json.dumps({"id": "me/prior", "sha": COMMIT, "siblings": siblings})
                self.reply(content.encode(), body)
            elif path.startswith("/me/prior/resolve/") and path.rpartition("/")[2] in files:
                self.reply(files[path.rpartition("/")[2]], body)
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def reply(self, content, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{abs(hash(content)):x}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, asked


def test_a_prior_is_downloaded_from_a_server(tmp_path):
    torch.manual_seed(0)
    priory.hub.save_pretrained(MoGPrior(2, 7), tmp_path / "prior")
    files = {file.name: file.read_bytes() for file in (tmp_path / "prior").iterdir()}
    server, asked = serve({**files, "evil.pkl": b"x"})
    address = f"http://127.0.0.1:{server.server_port}"
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", CODE, str(tmp_path / "cache")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    server.shutdown()
    server.server_close()
    assert done.returncode == 0, done.stderr
    one, other, large, nothing = done.stdout.splitlines()
    assert (one, other) == ("7", "7")
    assert large.startswith("ValueError expected at most 10 bytes of model.safetensors")
    assert nothing.startswith("FileNotFoundError expected a model at hf://me/nothing")
    assert not [path for _, path in asked if path.endswith("evil.pkl")]
    assert any("v1" in path for _, path in asked)
