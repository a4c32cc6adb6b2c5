// Version 1: files of assistants and messages; runs with code and functions, by
// polling and in streams.
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { answers, client, equation, getNickname, nickname } from "./common.mjs";

const { assistants, threads } = client.beta;
const upload = async (name, text) =>
  (await client.files.create({ file: await toFile(Buffer.from(text), name), purpose: "assistants" })).id;
const [table, notes] = [await upload("sales.csv", "month,sales\nJan,3\nFeb,5\n"), await upload("notes.txt", "notes")];

const coder = await assistants.create({ model: "gpt-4", tools: [{ type: "code_interpreter" }], file_ids: [table] });
assert.deepEqual(coder.file_ids, [table]);
assert.equal((await assistants.files.create(coder.id, { file_id: notes })).object, "assistant.file");
const listed = [];
for await (const f of assistants.files.list(coder.id, { limit: 1, order: "asc" })) listed.push(f.id);
assert.deepEqual(listed, [table, notes]);
assert.equal((await assistants.files.retrieve(coder.id, notes)).assistant_id, coder.id);
assert.equal((await assistants.files.del(coder.id, notes)).object, "assistant.file.deleted");
await assert.rejects(assistants.files.retrieve(coder.id, notes), OpenAI.NotFoundError);

let thread = await threads.create();
const question = await threads.messages.create(thread.id, { role: "user", content: "Read the CSV file and draw a chart.", file_ids: [table] });
assert.deepEqual(question.file_ids, [table]);
assert.deepEqual((await threads.messages.files.list(thread.id, question.id)).data.map((f) => f.id), [table]);
assert.equal((await threads.messages.files.retrieve(thread.id, question.id, table)).object, "thread.message.file");
let run = await threads.runs.createAndPoll(thread.id, { assistant_id: coder.id });
assert.equal(run.status, "completed");
assert.deepEqual(run.file_ids, [table]);
const [message] = (await threads.messages.list(thread.id)).data;
assert.deepEqual(message.content.map((part) => part.type), ["image_file", "text"]);
const png = Buffer.from(await (await client.files.content(message.content[0].image_file.file_id)).arrayBuffer());
assert.equal(png.subarray(1, 4).toString(), "PNG");
const steps = await threads.runs.steps.list(thread.id, run.id);
assert.deepEqual(steps.data.map((s) => s.type), ["message_creation", "tool_calls"]);

thread = await threads.create({ messages: [equation] });
let text = "";
let stream = threads.runs.stream(thread.id, { assistant_id: coder.id }).on("textDelta", (delta) => (text += delta.value ?? ""));
assert.equal((await stream.finalRun()).status, "completed");
assert.match(text, /x = 1/);

const caller = await assistants.create({ model: "gpt-4", tools: [getNickname] });
run = await threads.createAndRunPoll({ assistant_id: caller.id, thread: { messages: [nickname] } });
assert.equal(run.status, "requires_action");
run = await threads.runs.submitToolOutputsAndPoll(run.thread_id, run.id, { tool_outputs: answers(run, "Windy City") });
assert.equal(run.status, "completed");
run = await threads.createAndRunStream({ assistant_id: caller.id, thread: { messages: [nickname] } }).finalRun();
stream = threads.runs.submitToolOutputsStream(run.thread_id, run.id, { tool_outputs: answers(run, "Windy City") });
assert.match((await stream.finalMessages())[0].content[0].text.value, /Windy City/);

await assert.rejects(threads.retrieve("thread_nope"), (e) => e instanceof OpenAI.NotFoundError && /No thread found with id/.test(e.message));
