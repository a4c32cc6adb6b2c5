"""Runs the samples of the two documents that the project comes from, exactly as
they stand there: between them only what they leave to the reader.

usage: seeds.py FOLDER"""

import json
import os
import pathlib
import sys

ROOT = pathlib.Path(sys.argv[1])


def samples(text):
    """The Python samples of a document: each starts at its import, and is the
    longest run of lines from there that compiles."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("from openai import")]
    for start, end in zip(starts, starts[1:] + [len(lines)]):
        while True:
            source = "\n".join(lines[start:end])
            try:
                compile(source, "sample", "exec")
                yield source
                break
            except SyntaxError:
                end -= 1


documents = sorted(ROOT.glob("*.txt"))
interpreter, functions = (list(samples(d.read_text(encoding="utf-8"))) for d in documents)
assert len(interpreter) == 4 and len(functions) == 2, (len(interpreter), len(functions))
assert "2024-05-01-preview" in interpreter[0] and "2024-02-15-preview" in functions[0]


def play(source, **names):
    names = {"os": os, **names}
    exec(compile(source, "sample", "exec"), names)
    return names


# Code Interpreter: an assistant, one with a file, a thread with a file.
first = play(interpreter[0])
assert first["assistant"].tools[0].type == "code_interpreter"
pathlib.Path("speech.py").write_text("print('All the world is a stage')\n", encoding="utf-8")
second = play(interpreter[1])
assert second["assistant"].tool_resources.code_interpreter.file_ids == [second["file"].id]
third = play(interpreter[2])
client, thread = third["client"], third["thread"]
run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=first["assistant"].id)
assert run.status == "completed", run
answer = client.beta.threads.messages.list(thread.id).data[0].content[0].text.value
assert "x = 1" in answer, answer
steps = client.beta.threads.runs.steps.list(run_id=run.id, thread_id=thread.id).data
assert any(s.type == "tool_calls" and s.step_details.tool_calls[0].type == "code_interpreter" for s in steps), steps

# The same with a file that exists, named the way the sample names it.
table = client.files.create(file=("sales.csv", b"month,sales\nJan,3\nFeb,5\n"), purpose="assistants")
thread = play(interpreter[2].replace("file.id", table.id).replace("I need to solve the equation `3x + 11 = 14`. Can you help me?", "Please read the CSV file and draw a chart."))["thread"]
run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=first["assistant"].id)
assert run.status == "completed", run
content = client.beta.threads.messages.list(thread.id).data[0].content
image = next(part.image_file.file_id for part in content if part.type == "image_file")
play(interpreter[3].replace("assistant-abc123", image))
assert pathlib.Path("my-image.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")

# Function calling: the run waits in the documented shape, takes the outputs and goes on.
first = play(functions[0])
client, assistant = first["client"], first["assistant"]
thread = client.beta.threads.create(messages=[{"role": "user", "content": "What is the weather in San Francisco, and the nickname of Los Angeles?"}])
run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
shown = json.loads(run.model_dump_json())
calls = shown["required_action"]["submit_tool_outputs"]["tool_calls"]
assert (shown["object"], shown["status"], shown["required_action"]["type"]) == ("thread.run", "requires_action", "submit_tool_outputs"), shown
assert [(c["type"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in calls] == [
    ("function", "getCurrentWeather", {"location": "San Francisco"}),
    ("function", "getNickname", {"location": "Los Angeles"}),
], calls
second = play(functions[1], thread=thread, run=run, call_ids=[c["id"] for c in calls])
assert second["run"].status == "queued", second["run"]
run = client.beta.threads.runs.poll(run_id=run.id, thread_id=thread.id)
assert run.status == "completed", run
answer = client.beta.threads.messages.list(thread.id).data[0].content[0].text.value
assert "22C" in answer and "LA" in answer, answer
