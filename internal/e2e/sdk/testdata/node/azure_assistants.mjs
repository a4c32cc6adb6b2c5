// Azure's own client, which speaks version 1, through TLS: without it the client
// sends no key. It turns answers into its own shapes.
import assert from "node:assert/strict";
import { AssistantsClient, AzureKeyCredential } from "@azure/openai-assistants";

const client = new AssistantsClient(process.env.UNDERSTUDY_HTTPS, new AzureKeyCredential("key"));
const bytes = (text) => new TextEncoder().encode(text);
const settled = async (run) => {
  while (["queued", "in_progress", "cancelling"].includes(run.status)) run = await client.getRun(run.threadId, run.id);
  return run;
};

// Files: the name of an upload may be missing.
const table = await client.uploadFile(bytes("month,sales\nJan,3\nFeb,5\n"), "assistants", { filename: "sales.csv" });
assert.deepEqual([table.filename, table.purpose, table.bytes], ["sales.csv", "assistants", 24]);
const unnamed = await client.uploadFile(bytes("text"), "assistants");
assert.equal(unnamed.filename, "unknown.txt");
assert.ok((await client.listFiles({ purpose: "assistants" })).data.some((f) => f.id === unnamed.id));
assert.equal((await client.getFile(unnamed.id)).id, unnamed.id);

// Assistants and their files.
const coder = await client.createAssistant({ model: "deployment", name: "Analyst", tools: [{ type: "code_interpreter" }], fileIds: [table.id] });
assert.deepEqual(coder.fileIds, [table.id]);
assert.ok(coder.createdAt instanceof Date);
assert.equal((await client.createAssistantFile(coder.id, unnamed.id)).assistantId, coder.id);
assert.deepEqual((await client.listAssistantFiles(coder.id, { order: "asc" })).data.map((f) => f.id), [table.id, unnamed.id]);
assert.equal((await client.getAssistantFile(coder.id, unnamed.id)).id, unnamed.id);
assert.ok((await client.deleteAssistantFile(coder.id, unnamed.id)).deleted);
assert.deepEqual((await client.updateAssistant(coder.id, { metadata: { k: "v" } })).metadata, { k: "v" });
assert.ok((await client.listAssistants()).data.some((a) => a.id === coder.id));

// A thread, its messages and their files; a run with code.
const thread = await client.createThread({ metadata: { a: "b" } });
const question = await client.createMessage(thread.id, "user", "Read the CSV file and draw a chart.", { fileIds: [table.id] });
assert.deepEqual((await client.listMessageFiles(thread.id, question.id)).data.map((f) => f.id), [table.id]);
assert.equal((await client.getMessageFile(thread.id, question.id, table.id)).messageId, question.id);
let run = await settled(await client.createRun(thread.id, { assistantId: coder.id }));
assert.equal(run.status, "completed");
const [message] = (await client.listMessages(thread.id)).data;
assert.deepEqual(message.content.map((part) => part.type), ["image_file", "text"]);
for (const a of message.content[1].text.annotations) // which the client leaves as they come
  assert.equal(message.content[1].text.value.slice(a.start_index, a.end_index), a.text);
const steps = (await client.listRunSteps(thread.id, run.id, { order: "asc" })).data;
assert.match(steps[0].stepDetails.toolCalls[0].codeInterpreter.input, /read_csv/);
assert.equal((await client.getRunStep(thread.id, run.id, steps[0].id)).id, steps[0].id);
assert.deepEqual((await client.listRuns(thread.id)).data.map((r) => r.id), [run.id]);

// Functions: the outputs are handed in; another run is cancelled.
const caller = await client.createAssistant({
  model: "deployment",
  tools: [
    {
      type: "function",
      function: {
        name: "getNickname",
        description: "of a city",
        parameters: { type: "object", properties: { location: { type: "string" } }, required: ["location"] },
      },
    },
  ],
});
const ask = { assistantId: caller.id, thread: { messages: [{ role: "user", content: "What is the nickname of Chicago?" }] } };
run = await settled(await client.createThreadAndRun(ask));
assert.equal(run.status, "requires_action");
const outputs = run.requiredAction.submitToolOutputs.toolCalls.map((call) => ({ toolCallId: call.id, output: "Windy City" }));
run = await settled(await client.submitToolOutputsToRun(run.threadId, run.id, outputs));
assert.equal(run.status, "completed");
assert.match((await client.listMessages(run.threadId)).data[0].content[0].text.value, /Windy City/);
run = await settled(await client.createThreadAndRun(ask));
run = await settled(await client.cancelRun(run.threadId, run.id));
assert.equal(run.status, "cancelled");

// What is deleted is gone.
assert.ok((await client.deleteFile(unnamed.id)).deleted);
assert.ok((await client.deleteThread(thread.id)).deleted);
await assert.rejects(client.getThread(thread.id), (e) => e.statusCode === 404 || e.status === 404 || /not found|No thread/i.test(e.message));
assert.ok((await client.deleteAssistant(coder.id)).deleted);
