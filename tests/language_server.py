"""A yaml-language-server over stdio: what an editor would ask of it, and what it would show.

npm install --prefix /tmp/yls yaml-language-server
YAML_LANGUAGE_SERVER=/tmp/yls/node_modules/.bin/yaml-language-server python -m pytest tests/test_schema_in_editor.py
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

PATIENCE = 60.0


def command() -> list[str] | None:
    """How to start the server, where there is one: named in the environment, or on the path."""
    named = os.environ.get("YAML_LANGUAGE_SERVER") or shutil.which("yaml-language-server")
    return [named, "--stdio"] if named and shutil.which("node") else None


class LanguageServer:
    """One server with open documents. Positions are (line, column) from 0, as the protocol counts."""

    def __init__(self, words: list[str], schema: Path) -> None:
        self.schema = schema.as_uri()
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.diagnostics: queue.Queue[dict[str, Any]] = queue.Queue()
        self.asked = 0
        threading.Thread(target=self._listen, daemon=True).start()
        self.request("initialize", {"processId": os.getpid(), "rootUri": None, "capabilities": {"textDocument": {
            "completion": {"completionItem": {"documentationFormat": ["plaintext"]}}, "hover": {"contentFormat": ["plaintext"]}}}})  # fmt: skip
        self.notify("initialized", {})
        settings = {"yaml": {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}}
        self.notify("workspace/didChangeConfiguration", {"settings": settings})

    def close(self) -> None:
        self.request("shutdown", None)
        self.notify("exit", None)
        self.process.wait(timeout=PATIENCE)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def opened(self, name: str, text: str) -> list[dict[str, Any]]:
        """Opens a document that names its schema in its first line, as ours do; its diagnostics."""
        text = f"# yaml-language-server: $schema={self.schema}\n{text}"
        uri = f"file:///book/{name}"
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})
        while True:
            told = self.diagnostics.get(timeout=PATIENCE)
            if told["uri"] == uri:
                found: list[dict[str, Any]] = told["diagnostics"]
                return found

    def completions(self, name: str, line: int, column: int) -> dict[str, str]:
        """Label → documentation of what the editor offers. The first line of the text is line 0; the schema's is not counted."""
        found = self.request("textDocument/completion", self._at(name, line, column))
        items = found["items"] if isinstance(found, dict) else found or []
        return {item["label"]: _text(item.get("documentation")) for item in items}

    def hover(self, name: str, line: int, column: int) -> str:
        found = self.request("textDocument/hover", self._at(name, line, column))
        return _text(found["contents"]) if found else ""

    def _at(self, name: str, line: int, column: int) -> dict[str, Any]:
        return {"textDocument": {"uri": f"file:///book/{name}"}, "position": {"line": line + 1, "character": column}}

    def request(self, method: str, parameters: Any) -> Any:
        self.asked += 1
        self._send({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": parameters})
        while True:
            answer = self.answers.get(timeout=PATIENCE)
            if answer.get("id") == self.asked:
                assert "error" not in answer, answer
                return answer.get("result")

    def notify(self, method: str, parameters: Any) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": parameters})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def _listen(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while True:
            length = 0
            while (line := stream.readline()) not in {b"\r\n", b""}:
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if not length:
                return
            message = json.loads(stream.read(length))
            if message.get("method") == "textDocument/publishDiagnostics":
                self.diagnostics.put(message["params"])
            elif "method" in message and "id" in message:
                self._send({"jsonrpc": "2.0", "id": message["id"], "result": _granted(message)})
            elif "id" in message:
                self.answers.put(message)


def _granted(message: dict[str, Any]) -> Any:
    """What an editor with default settings answers the server's own questions with."""
    return [None for _ in message["params"]["items"]] if message["method"] == "workspace/configuration" else None


def _text(told: Any) -> str:
    return told if isinstance(told, str) else "" if told is None else str(told.get("value", ""))
