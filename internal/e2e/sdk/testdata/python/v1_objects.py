"""Version 1: assistants, messages and their files, one by one. The client checks
every answer against its types."""

import openai
from openai import OpenAI

client = OpenAI(_strict_response_validation=True)
assistants, threads = client.beta.assistants, client.beta.threads


def refused(kind, fragment, call, *args, **kwargs):
    """The call must raise kind, with fragment in its message."""
    try:
        call(*args, **kwargs)
    except kind as error:
        assert fragment in error.message, error.message
        return
    raise AssertionError(f"{call} was not refused")


files = [client.files.create(file=(f"{name}.txt", name.encode()), purpose="assistants") for name in ("one", "two", "three")]
one, two, three = [f.id for f in files]

# An assistant's files, with the assistant and one by one.
made = assistants.create(model="gpt-4", name="Reader", tools=[{"type": "retrieval"}, {"type": "code_interpreter"}], file_ids=[one, two])
assert made.file_ids == [one, two] and [t.type for t in made.tools] == ["retrieval", "code_interpreter"], made
assert assistants.retrieve(made.id) == made
attached = assistants.files.create(made.id, file_id=three)
assert (attached.id, attached.object, attached.assistant_id) == (three, "assistant.file", made.id), attached
assert assistants.files.retrieve(three, assistant_id=made.id) == attached
assert {f.id for f in assistants.files.list(made.id, limit=2)} == {one, two, three}, "the pager goes through all pages"
gone = assistants.files.delete(one, assistant_id=made.id)
assert gone.deleted and gone.object == "assistant.file.deleted", gone
refused(openai.NotFoundError, one, assistants.files.retrieve, one, assistant_id=made.id)
assert assistants.retrieve(made.id).file_ids == [two, three]
assert client.files.retrieve(one).id == one, "the file itself stays"
changed = assistants.update(made.id, file_ids=[three], metadata={"k": "v"})
assert (changed.file_ids, changed.metadata) == ([three], {"k": "v"}), changed

# A message's files.
thread = threads.create(messages=[{"role": "user", "content": "first", "file_ids": [one]}])
first = threads.messages.list(thread.id).data[0]
assert first.file_ids == [one], first
second = threads.messages.create(thread.id, role="user", content="second", file_ids=[two, three])
assert second.file_ids == [two, three], second
assert {f.id for f in threads.messages.files.list(second.id, thread_id=thread.id)} == {two, three}
attached = threads.messages.files.retrieve(two, thread_id=thread.id, message_id=second.id)
assert (attached.id, attached.object, attached.message_id) == (two, "thread.message.file", second.id), attached
assert [m.id for m in threads.messages.list(thread.id, order="asc", limit=1)] == [first.id, second.id]
assert threads.messages.update(first.id, thread_id=thread.id, metadata={"x": "y"}).metadata == {"x": "y"}
assert threads.messages.retrieve(first.id, thread_id=thread.id).content[0].text.value == "first"

assert threads.update(thread.id, metadata={"a": "b"}).metadata == {"a": "b"}
assert threads.retrieve(thread.id).metadata == {"a": "b"}
assert threads.delete(thread.id).deleted
refused(openai.NotFoundError, "No thread found with id", threads.retrieve, thread.id)
assert assistants.delete(made.id).deleted
refused(openai.NotFoundError, "No assistant found with id", assistants.retrieve, made.id)
refused(openai.NotFoundError, "No such File object", client.files.retrieve, "file-nope")

# Deleting a file takes it away from whoever had it.
made = assistants.create(model="gpt-4", tools=[{"type": "code_interpreter"}], file_ids=[one])
assert client.files.delete(one).deleted
assert assistants.retrieve(made.id).file_ids == []
assert made.id in [a.id for a in assistants.list(limit=1)]
