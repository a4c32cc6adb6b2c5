// Runs by polling: code over a file, whose figure and files come back; functions.
import assert from "node:assert/strict";
import { toFile } from "openai";
import { answers, at, client, getNickname, nickname } from "./common.mjs";

const { assistants, threads } = client.beta;
const coder = await assistants.create({ model: "gpt-4o", tools: [{ type: "code_interpreter" }] });
const file = await client.files.create({
  file: await toFile(Buffer.from("month,sales\nJan,3\nFeb,5\n"), "sales.csv"),
  purpose: "assistants",
});
const thread = await threads.create({
  messages: [
    {
      role: "user",
      content: "Read the CSV file and draw a chart.",
      attachments: [{ file_id: file.id, tools: [{ type: "code_interpreter" }] }],
    },
  ],
});
let run = await threads.runs.createAndPoll(thread.id, { assistant_id: coder.id });
assert.equal(run.status, "completed");
const [message] = (await threads.messages.list(thread.id)).data;
assert.deepEqual(message.content.map((part) => part.type), ["image_file", "text"]);
const bytes = async (id) => Buffer.from(await (await client.files.content(id)).arrayBuffer());
assert.equal((await bytes(message.content[0].image_file.file_id)).subarray(1, 4).toString(), "PNG");
const { value, annotations } = message.content[1].text;
assert.ok(annotations.length > 0);
for (const a of annotations) {
  assert.equal([...value].slice(a.start_index, a.end_index).join(""), a.text);
  assert.ok((await bytes(a.file_path.file_id)).length > 0);
}
const steps = await at(threads.runs.steps, "list", thread.id, run.id);
assert.deepEqual(steps.data.map((s) => s.type), ["message_creation", "tool_calls"]);

const caller = await assistants.create({ model: "gpt-4o", tools: [getNickname] });
run = await threads.createAndRunPoll({ assistant_id: caller.id, thread: { messages: [nickname] } });
assert.equal(run.status, "requires_action");
run = await at(threads.runs, "submitToolOutputsAndPoll", run.thread_id, run.id, { tool_outputs: answers(run, "Windy City") });
assert.equal(run.status, "completed");
assert.match((await threads.messages.list(run.thread_id)).data[0].content[0].text.value, /Windy City/);
