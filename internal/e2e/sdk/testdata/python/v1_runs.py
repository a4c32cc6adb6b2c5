"""Version 1: runs by polling and in streams. The client checks every answer
against its types, in which a run always has instructions."""

import json

from openai import AssistantEventHandler, OpenAI

client = OpenAI(_strict_response_validation=True)
threads = client.beta.threads
coder = client.beta.assistants.create(model="gpt-4-turbo", name="Analyst", instructions="You analyse data.", tools=[{"type": "code_interpreter"}])

# Code: a file goes in with the message, a figure and files come back.
table = client.files.create(file=("sales.csv", b"month,sales\nJan,3\nFeb,5\nMar,4\n"), purpose="assistants")
thread = threads.create(messages=[{"role": "user", "content": "Read the CSV file and draw a chart.", "file_ids": [table.id]}])
run = threads.runs.create_and_poll(thread_id=thread.id, assistant_id=coder.id)
assert run.status == "completed" and run.usage.total_tokens > 0 and run.file_ids == [], run
answer = threads.messages.list(thread.id).data[0]
assert [part.type for part in answer.content] == ["image_file", "text"], answer
assert client.files.content(answer.content[0].image_file.file_id).read().startswith(b"\x89PNG\r\n\x1a\n")
text = answer.content[1].text
for note in text.annotations:
    assert text.value[note.start_index : note.end_index] == note.text, note
    assert note.file_path.file_id in answer.file_ids, answer
steps = threads.runs.steps.list(run.id, thread_id=thread.id, order="asc").data
assert [s.type for s in steps] == ["tool_calls", "message_creation"], steps
assert "read_csv" in steps[0].step_details.tool_calls[0].code_interpreter.input, steps
assert threads.runs.steps.retrieve(steps[1].id, thread_id=thread.id, run_id=run.id) == steps[1]
assert [r.id for r in threads.runs.list(thread.id)] == [run.id]
assert threads.runs.update(run.id, thread_id=thread.id, metadata={"m": "1"}).metadata == {"m": "1"}

# The assistant's own files.
reader = client.beta.assistants.create(model="gpt-4", instructions="Be brief.", tools=[{"type": "code_interpreter"}], file_ids=[table.id])
run = threads.create_and_run_poll(assistant_id=reader.id, thread={"messages": [{"role": "user", "content": "Draw a chart of the CSV file."}]})
assert run.status == "completed" and run.file_ids == [table.id], run
assert "sales.csv" in threads.messages.list(run.thread_id).data[0].content[1].text.value

# Functions.
weather = {
    "type": "function",
    "function": {
        "name": "getCurrentWeather",
        "description": "Get the weather in location",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
    },
}
caller = client.beta.assistants.create(model="gpt-4", instructions="Be brief.", tools=[weather])
question = {"role": "user", "content": "What is the weather in Lisbon?"}
run = threads.create_and_run_poll(assistant_id=caller.id, thread={"messages": [question]})
assert run.status == "requires_action", run
calls = run.required_action.submit_tool_outputs.tool_calls
assert json.loads(calls[0].function.arguments) == {"location": "Lisbon"}, calls
run = threads.runs.submit_tool_outputs_and_poll(
    run_id=run.id, thread_id=run.thread_id, tool_outputs=[{"tool_call_id": c.id, "output": "19 degrees"} for c in calls]
)
assert run.status == "completed", run
assert "19 degrees" in threads.messages.list(run.thread_id).data[0].content[0].text.value

# One that waits is cancelled.
thread = threads.create(messages=[question])
run = threads.runs.create_and_poll(thread_id=thread.id, assistant_id=caller.id)
assert threads.runs.cancel(run.id, thread_id=thread.id).status == "cancelling"
assert threads.runs.poll(run.id, thread_id=thread.id).status == "cancelled"


class Recorder(AssistantEventHandler):
    """Writes down what it is told, in order."""

    def __init__(self):
        super().__init__()
        self.heard, self.text = [], ""

    def on_tool_call_created(self, tool_call):
        self.heard.append(f"{tool_call.type} created")

    def on_tool_call_done(self, tool_call):
        if f"{tool_call.type} done" not in self.heard:  # the SDK announces the last one again at the end
            self.heard.append(f"{tool_call.type} done")

    def on_text_delta(self, delta, snapshot):
        self.text += delta.value or ""

    def on_message_done(self, message):
        self.heard.append("message done")


recorder = Recorder()
equation = {"role": "user", "content": "I need to solve the equation `3x + 11 = 14`. Can you help me?"}
thread = threads.create(messages=[equation])
with threads.runs.stream(thread_id=thread.id, assistant_id=coder.id, event_handler=recorder) as stream:
    stream.until_done()
assert recorder.heard == ["code_interpreter created", "code_interpreter done", "message done"], recorder.heard
assert "x = 1" in recorder.text and stream.get_final_run().status == "completed", recorder.text

with threads.create_and_run_stream(assistant_id=caller.id, thread={"messages": [question]}) as stream:
    stream.until_done()
run = stream.get_final_run()
assert run.status == "requires_action", run
outputs = [{"tool_call_id": c.id, "output": "19 degrees"} for c in run.required_action.submit_tool_outputs.tool_calls]
with threads.runs.submit_tool_outputs_stream(thread_id=run.thread_id, run_id=run.id, tool_outputs=outputs) as stream:
    said = "".join(stream.text_deltas)
assert "19 degrees" in said, said
names = [event.event for event in threads.create_and_run(assistant_id=coder.id, thread={"messages": [equation]}, stream=True)]
assert (names[0], names[-1]) == ("thread.created", "thread.run.completed"), names
