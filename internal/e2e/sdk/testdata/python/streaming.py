"""Streams: the helpers with their accumulators, the raw events, and asynchronously."""

import asyncio

from openai import AssistantEventHandler, AsyncOpenAI, OpenAI
from typing_extensions import override

client = OpenAI()
coder = client.beta.assistants.create(model="gpt-4o", tools=[{"type": "code_interpreter"}])
caller = client.beta.assistants.create(
    model="gpt-4o",
    tools=[{"type": "function", "function": {"name": "getNickname", "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}}}],
)
question = {"role": "user", "content": "I need to solve the equation `3x + 11 = 14`. Can you help me?"}


class Recorder(AssistantEventHandler):
    """Writes down what it is told, in order."""

    def __init__(self):
        super().__init__()
        self.heard, self.code, self.text, self.failure = [], "", "", None

    def hear(self, what):
        if what not in self.heard:  # the SDK announces the end of a last tool call twice
            self.heard.append(what)

    @override
    def on_tool_call_created(self, tool_call):
        self.hear("tool_call_created")

    @override
    def on_tool_call_delta(self, delta, snapshot):
        self.hear("tool_call_delta")
        if delta.type == "code_interpreter" and delta.code_interpreter.input:
            self.code += delta.code_interpreter.input

    @override
    def on_tool_call_done(self, tool_call):
        self.hear("tool_call_done")

    @override
    def on_message_created(self, message):
        self.hear("message_created")

    @override
    def on_text_created(self, text):
        self.hear("text_created")

    @override
    def on_text_delta(self, delta, snapshot):
        self.hear("text_delta")
        self.text += delta.value or ""

    @override
    def on_text_done(self, text):
        self.hear("text_done")

    @override
    def on_message_done(self, message):
        self.hear("message_done")

    @override
    def on_end(self):
        self.hear("end")

    @override
    def on_exception(self, exception):
        self.failure = exception


thread = client.beta.threads.create(messages=[question])
recorder = Recorder()
with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=coder.id, event_handler=recorder) as stream:
    stream.until_done()
assert recorder.failure is None, recorder.failure
assert recorder.heard == [
    "tool_call_created", "tool_call_delta", "tool_call_done",
    "message_created", "text_created", "text_delta", "text_done", "message_done", "end",
], recorder.heard
assert stream.get_final_run().status == "completed"
steps = stream.get_final_run_steps()
assert steps[0].step_details.tool_calls[0].code_interpreter.input == recorder.code, steps
assert stream.get_final_messages()[0].content[0].text.value == recorder.text

# Functions: one stream ends where the client has to act, the next goes on from there.
with client.beta.threads.create_and_run_stream(
    assistant_id=caller.id, thread={"messages": [{"role": "user", "content": "What is the nickname of Chicago?"}]}
) as stream:
    stream.until_done()
    run = stream.get_final_run()
assert run.status == "requires_action", run
calls = run.required_action.submit_tool_outputs.tool_calls
with client.beta.threads.runs.submit_tool_outputs_stream(
    thread_id=run.thread_id, run_id=run.id, tool_outputs=[{"tool_call_id": c.id, "output": "Windy City"} for c in calls]
) as stream:
    said = "".join(stream.text_deltas)
assert "Windy City" in said, said

# The events themselves.
names = [event.event for event in client.beta.threads.create_and_run(assistant_id=coder.id, thread={"messages": [question]}, stream=True)]
distinct = [name for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
assert distinct == [
    "thread.created", "thread.run.created", "thread.run.queued", "thread.run.in_progress",
    "thread.run.step.created", "thread.run.step.in_progress", "thread.run.step.delta", "thread.run.step.completed",
    "thread.run.step.created", "thread.run.step.in_progress", "thread.message.created", "thread.message.in_progress",
    "thread.message.delta", "thread.message.completed", "thread.run.step.completed", "thread.run.completed",
], distinct


async def asynchronously():
    async with AsyncOpenAI() as client:
        thread = await client.beta.threads.create(messages=[question])
        async with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=coder.id) as stream:
            text = "".join([piece async for piece in stream.text_deltas])
        assert text == recorder.text, text
        run = await client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=coder.id)
        assert run.status == "completed", run


asyncio.run(asynchronously())
