"""Version 1: retrieval from the files of an assistant and of a message."""

from openai import OpenAI

client = OpenAI(_strict_response_validation=True)
threads = client.beta.threads
harbour = client.files.create(file=("harbour.txt", b"The harbour of Lisbon was rebuilt in 1887."), purpose="assistants")
menu = client.files.create(file=("menu.txt", b"Today the canteen serves lentil soup with mustard."), purpose="assistants")
assistant = client.beta.assistants.create(
    model="gpt-4-turbo", instructions="You look things up.", tools=[{"type": "retrieval"}], file_ids=[harbour.id]
)


def ask(question, **more):
    """The answer to a question in a thread of its own, and the files it cites."""
    thread = threads.create(messages=[{"role": "user", "content": question, **more}])
    run = threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert run.status == "completed" and [t.type for t in run.tools] == ["retrieval"], run
    call = threads.runs.steps.list(run.id, thread_id=thread.id, order="asc").data[0].step_details.tool_calls[0]
    assert (call.type, call.retrieval) == ("retrieval", {}), call
    text = threads.messages.list(thread.id).data[0].content[0].text
    for note in text.annotations:
        assert note.type == "file_citation" and text.value[note.start_index : note.end_index] == note.text, note
    return text.value, {note.file_citation.file_id for note in text.annotations}


answer, cited = ask("When was the harbour of Lisbon rebuilt?")
assert "1887" in answer and harbour.id in cited, (answer, cited)
answer, cited = ask("What soup does the canteen serve?", file_ids=[menu.id])
assert "lentil soup" in answer and menu.id in cited, (answer, cited)

# A file that comes later is found, one that was taken away is not.
bees = client.files.create(file=("bees.txt", b"A colony of bees keeps its brood at 35 degrees."), purpose="assistants")
client.beta.assistants.files.create(assistant.id, file_id=bees.id)
client.beta.assistants.files.delete(harbour.id, assistant_id=assistant.id)
answer, cited = ask("How warm is the brood of bees?")
assert "35 degrees" in answer and bees.id in cited, (answer, cited)
answer, cited = ask("When was the harbour of Lisbon rebuilt?")
assert "1887" not in answer and harbour.id not in cited, (answer, cited)
