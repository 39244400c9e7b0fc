"""A stand-in for a model of the OpenAI protocol, on a port of the host's loopback: its argument.

It repeats what its user wrote. For lines TOOL NAME ARGUMENTS it asks for these tools, and repeats what they said,
as a list in JSON.
"""
import http.server
import json
import re
import sys


def words(message):
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def answer(messages):
    """The delta and the reason of its end, as the protocol has them."""
    begin = max((at + 1 for at, each in enumerate(messages) if each["role"] == "assistant"), default=0)
    new = messages[begin:]
    asked = "\n".join(words(each) for each in new if each["role"] == "user")
    said = [words(each) for each in new if each["role"] == "tool"]
    tools = re.findall(r"TOOL (\S+) (\{.*\})$", asked, re.MULTILINE)
    if said or not tools:
        return {"content": json.dumps(said) if said else asked}, "stop"
    calls = [
        {
            "index": at,
            "id": f"call-{len(messages)}-{at}",
            "type": "function",
            "function": {"name": "tool_call", "arguments": f'{{"id": "{name}", "args": {arguments}}}'},
        }
        for at, (name, arguments) in enumerate(tools)
    ]
    return {"tool_calls": calls}, "tool_calls"


class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != "Bearer stand-in":
            self.send_error(401)
            return
        delta, reason = answer(asked["messages"])
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": asked["model"]}
        parts = [({"role": "assistant", **delta}, None), ({}, reason)]
        choices = [{"index": 0, "delta": part, "finish_reason": end} for part, end in parts]
        events = [json.dumps({**chunk, "choices": [choice]}) for choice in choices]
        body = "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Model).serve_forever()
