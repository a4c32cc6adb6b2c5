"""Runs by polling: code, figures and files come back, functions are called."""

import json

from openai import OpenAI

client = OpenAI()
assistant = client.beta.assistants.create(
    model="gpt-4o", name="Analyst", instructions="You analyse data.", tools=[{"type": "code_interpreter"}]
)
uploaded = client.files.create(file=("sales.csv", b"month,sales\nJan,3\nFeb,5\nMar,4\n"), purpose="assistants")
thread = client.beta.threads.create()
client.beta.threads.messages.create(
    thread.id,
    role="user",
    content="Read the CSV file and draw a chart.",
    attachments=[{"file_id": uploaded.id, "tools": [{"type": "code_interpreter"}]}],
)
assert client.beta.threads.retrieve(thread.id).tool_resources.code_interpreter.file_ids == [uploaded.id]
run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
assert run.status == "completed" and run.usage.total_tokens > 0 and run.expires_at is None, run

message = client.beta.threads.messages.list(thread.id, run_id=run.id).data[0]
kinds = [part.type for part in message.content]
assert kinds == ["image_file", "text"], kinds
png = client.files.content(message.content[0].image_file.file_id).read()
assert png.startswith(b"\x89PNG\r\n\x1a\n")
text = message.content[1].text
assert text.annotations, text
for note in text.annotations:
    assert text.value[note.start_index : note.end_index] == note.text, note
    made = client.files.retrieve(note.file_path.file_id)
    assert made.purpose == "assistants_output", made
    assert len(client.files.content(made.id).read()) == made.bytes > 0

steps = client.beta.threads.runs.steps.list(run_id=run.id, thread_id=thread.id, order="asc").data
assert [s.type for s in steps] == ["tool_calls", "message_creation"], steps
call = steps[0].step_details.tool_calls[0].code_interpreter
assert "read_csv" in call.input and {o.type for o in call.outputs} == {"logs", "image"}, call
assert client.beta.threads.runs.steps.retrieve(steps[0].id, run_id=run.id, thread_id=thread.id).id == steps[0].id

weather = {
    "type": "function",
    "function": {
        "name": "getCurrentWeather",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
    },
}
assistant = client.beta.assistants.create(model="gpt-4o", tools=[weather])
run = client.beta.threads.create_and_run_poll(
    assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "What is the weather in Lisbon?"}]}
)
assert run.status == "requires_action", run
calls = run.required_action.submit_tool_outputs.tool_calls
assert json.loads(calls[0].function.arguments)["location"] == "Lisbon", calls
run = client.beta.threads.runs.submit_tool_outputs_and_poll(
    run_id=run.id,
    thread_id=run.thread_id,
    tool_outputs=[{"tool_call_id": c.id, "output": "19 degrees"} for c in calls],
)
assert run.status == "completed", run
answer = client.beta.threads.messages.list(run.thread_id).data[0].content[0].text.value
assert "19 degrees" in answer, answer
