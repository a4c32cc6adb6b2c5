"""Objects one by one: create, read, change, list, delete; and what goes wrong."""

import openai
from openai import OpenAI

client = OpenAI()


def refused(kind, fragment, call, *args, **kwargs):
    """The call must raise kind, with fragment in its message."""
    try:
        call(*args, **kwargs)
    except kind as error:
        assert fragment in error.message, error.message
        return error
    raise AssertionError(f"{call} was not refused")


made = [client.beta.assistants.create(model="gpt-4o", name=f"a{i}") for i in range(5)]
ids = [a.id for a in made]
listed = [a.id for a in client.beta.assistants.list(limit=2, order="asc")]
assert [i for i in listed if i in ids] == ids, "the pager goes through all pages"
page = client.beta.assistants.list(limit=2, after=ids[3])
assert [a.id for a in page.data] == [ids[2], ids[1]] and page.has_more, page
changed = client.beta.assistants.update(ids[0], name="renamed", metadata={"k": "v"})
assert (changed.name, changed.metadata, changed.temperature) == ("renamed", {"k": "v"}, 1.0), changed
for a in made:
    assert client.beta.assistants.delete(a.id).deleted
refused(openai.NotFoundError, "No assistant found with id", client.beta.assistants.retrieve, ids[0])

thread = client.beta.threads.create(metadata={"a": "b"})
first = client.beta.threads.messages.create(thread.id, role="user", content="one")
second = client.beta.threads.messages.create(thread.id, role="assistant", content=[{"type": "text", "text": "two"}])
assert [m.id for m in client.beta.threads.messages.list(thread.id, order="asc")] == [first.id, second.id]
assert client.beta.threads.messages.update(first.id, thread_id=thread.id, metadata={"x": "y"}).metadata == {"x": "y"}
assert client.beta.threads.messages.retrieve(first.id, thread_id=thread.id).content[0].text.value == "one"
assert client.beta.threads.messages.delete(second.id, thread_id=thread.id).deleted
assert client.beta.threads.update(thread.id, metadata={}).metadata == {}

refused(openai.NotFoundError, "No thread found with id", client.beta.threads.retrieve, "thread_nope")
error = refused(openai.BadRequestError, "expected a string, but got a boolean instead", client.beta.threads.update, thread.id, metadata={"modified": True})
assert (error.code, error.param) == ("invalid_type", "metadata.modified"), error.body
error = refused(openai.BadRequestError, "array too long", client.beta.assistants.create, model="gpt-4o", tools=[{"type": "code_interpreter"}] * 129)
assert (error.code, error.param) == ("array_above_max_length", "tools"), error.body
error = refused(openai.NotFoundError, "No such File object: file-nope", client.files.retrieve, "file-nope")
assert error.param == "id", error.body

uploaded = client.files.create(file=("été.txt", "données".encode()), purpose="assistants")
assert (uploaded.filename, uploaded.bytes, uploaded.status) == ("été.txt", 8, "processed"), uploaded
assert client.files.retrieve(uploaded.id) == uploaded
assert uploaded.id in [f.id for f in client.files.list(purpose="assistants")]
assert client.files.content(uploaded.id).read() == "données".encode()
assert client.files.delete(uploaded.id).deleted
refused(openai.BadRequestError, "Invalid extension vb.", client.files.create, file=("x.vb", b"x"), purpose="assistants")

# A run that waits locks its thread, and can be cancelled.
caller = client.beta.assistants.create(
    model="gpt-4o",
    tools=[{"type": "function", "function": {"name": "getNickname", "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}}}],
)
thread = client.beta.threads.create(messages=[{"role": "user", "content": "What is the nickname of Chicago?"}])
run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=caller.id)
assert run.status == "requires_action", run
refused(openai.BadRequestError, f"Thread {thread.id} already has an active run {run.id}.", client.beta.threads.runs.create, thread_id=thread.id, assistant_id=caller.id)
refused(openai.BadRequestError, f"Can't add messages to {thread.id} while a run {run.id} is active.", client.beta.threads.messages.create, thread.id, role="user", content="more")
call = run.required_action.submit_tool_outputs.tool_calls[0].id
refused(openai.BadRequestError, f"Expected tool outputs for call_ids ['{call}'], got ['call_other']", client.beta.threads.runs.submit_tool_outputs, thread_id=thread.id, run_id=run.id, tool_outputs=[{"tool_call_id": "call_other", "output": ""}])
assert client.beta.threads.runs.update(run.id, thread_id=thread.id, metadata={"m": "1"}).metadata == {"m": "1"}
assert client.beta.threads.runs.cancel(run.id, thread_id=thread.id).status == "cancelling"
while (run := client.beta.threads.runs.retrieve(run.id, thread_id=thread.id)).status == "cancelling":
    pass
assert run.status == "cancelled" and run.cancelled_at and run.metadata == {"m": "1"}, run
refused(openai.BadRequestError, "Cannot cancel run with status 'cancelled'.", client.beta.threads.runs.cancel, run.id, thread_id=thread.id)
assert [r.id for r in client.beta.threads.runs.list(thread.id)] == [run.id]
assert client.beta.threads.delete(thread.id).deleted

assert client.models.list().data
refused(openai.AuthenticationError, "OpenAI-Beta", client.beta.threads.create, extra_headers={"OpenAI-Beta": ""})
