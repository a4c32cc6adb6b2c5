// The Node SDK against the server: polling, streaming, functions, files, and the
// Azure client. The majors differ in where ids go: see at().
import assert from "node:assert/strict";
import OpenAI, { AzureOpenAI, toFile } from "openai";

const major = Number(process.argv[2].split(".")[0]);
// at calls a method on a child of a thread: from version 5 on the parent is in an object.
const at = (resource, method, thread, child, body = {}) =>
  major < 5 ? resource[method](thread, child, body) : resource[method](child, { thread_id: thread, ...body });

const client = new OpenAI();
const { assistants, threads } = client.beta;
const getNickname = {
  type: "function",
  function: {
    name: "getNickname",
    parameters: { type: "object", properties: { location: { type: "string" } }, required: ["location"] },
  },
};
const coder = await assistants.create({ model: "gpt-4o", tools: [{ type: "code_interpreter" }] });
const caller = await assistants.create({ model: "gpt-4o", tools: [getNickname] });
const equation = { role: "user", content: "I need to solve the equation `3x + 11 = 14`. Can you help me?" };
const nickname = { role: "user", content: "What is the nickname of Chicago?" };

// Polling, with a file in and a figure and files out.
const file = await client.files.create({
  file: await toFile(Buffer.from("month,sales\nJan,3\nFeb,5\n"), "sales.csv"),
  purpose: "assistants",
});
let thread = await threads.create({
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
const png = Buffer.from(await (await client.files.content(message.content[0].image_file.file_id)).arrayBuffer());
assert.equal(png.subarray(1, 4).toString(), "PNG");
const { value, annotations } = message.content[1].text;
assert.ok(annotations.length > 0);
for (const a of annotations) assert.equal([...value].slice(a.start_index, a.end_index).join(""), a.text);
const steps = await at(threads.runs.steps, "list", thread.id, run.id);
assert.deepEqual(steps.data.map((s) => s.type), ["message_creation", "tool_calls"]);

// Streaming: the accumulator hears everything in order.
thread = await threads.create({ messages: [equation] });
const heard = [];
const hear = (what) => () => heard.at(-1) === what || heard.push(what);
let stream = threads.runs.stream(thread.id, { assistant_id: coder.id });
for (const what of ["toolCallCreated", "toolCallDelta", "toolCallDone", "messageCreated", "textCreated", "textDelta", "textDone", "messageDone", "end"])
  stream.on(what, hear(what));
run = await stream.finalRun();
await stream.done();
assert.equal(run.status, "completed");
assert.deepEqual(heard, ["toolCallCreated", "toolCallDelta", "toolCallDone", "messageCreated", "textCreated", "textDelta", "textDone", "messageDone", "end"]);
assert.match((await stream.finalMessages())[0].content[0].text.value, /x = 1/);

// Functions, streamed on both sides of the wait.
stream = threads.createAndRunStream({ assistant_id: caller.id, thread: { messages: [nickname] } });
run = await stream.finalRun();
assert.equal(run.status, "requires_action");
const outputs = () =>
  run.required_action.submit_tool_outputs.tool_calls.map((c) => ({ tool_call_id: c.id, output: "Windy City" }));
stream = at(threads.runs, "submitToolOutputsStream", run.thread_id, run.id, { tool_outputs: outputs() });
assert.equal((await stream.finalRun()).status, "completed");
assert.match((await stream.finalMessages())[0].content[0].text.value, /Windy City/);

// Functions by polling; raw events; a readable stream as the quickstart uses it.
run = await threads.createAndRunPoll({ assistant_id: caller.id, thread: { messages: [nickname] } });
run = await at(threads.runs, "submitToolOutputsAndPoll", run.thread_id, run.id, { tool_outputs: outputs() });
assert.equal(run.status, "completed");
const names = [];
for await (const event of await threads.createAndRun({ assistant_id: coder.id, thread: { messages: [equation] }, stream: true }))
  names.push(event.event);
assert.equal(names[0], "thread.created");
assert.equal(names.at(-1), "thread.run.completed");
thread = await threads.create({ messages: [equation] });
let lines = "";
for await (const chunk of threads.runs.stream(thread.id, { assistant_id: coder.id }).toReadableStream()) lines += Buffer.from(chunk).toString();
assert.ok(lines.trim().split("\n").map((line) => JSON.parse(line)).some((e) => e.event === "thread.message.completed"));

// Lists, errors, deletions.
const remove = major < 5 ? "del" : "delete";
const ids = [];
for (let i = 0; i < 5; i++) ids.push((await assistants.create({ model: "gpt-4o" })).id);
const listed = [];
for await (const a of assistants.list({ limit: 2, order: "asc" })) listed.push(a.id);
assert.deepEqual(listed.filter((id) => ids.includes(id)), ids);
for (const id of ids) assert.ok((await assistants[remove](id)).deleted);
await assert.rejects(assistants.retrieve(ids[0]), (e) => e instanceof OpenAI.NotFoundError && /No assistant found with id/.test(e.message));
await assert.rejects(threads.create({ metadata: { n: 1 } }), (e) => e instanceof OpenAI.BadRequestError && e.param === "metadata.n");
assert.ok((await client.files[remove](file.id)).deleted);

// The Azure client, which refuses to choose between two addresses.
delete process.env.OPENAI_BASE_URL;
const azure = new AzureOpenAI({ endpoint: process.env.AZURE_OPENAI_ENDPOINT, apiKey: "key", apiVersion: "2024-05-01-preview" });
const assistant = await azure.beta.assistants.create({ model: "deployment", tools: [{ type: "code_interpreter" }] });
thread = await azure.beta.threads.create({ messages: [equation] });
run = await azure.beta.threads.runs.createAndPoll(thread.id, { assistant_id: assistant.id });
assert.equal(run.status, "completed");
assert.match((await azure.beta.threads.messages.list(thread.id)).data[0].content[0].text.value, /x = 1/);
