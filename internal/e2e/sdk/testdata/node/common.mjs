// What the programs for the Node SDK share. The majors differ in where ids go and
// in how a deletion is called.
import OpenAI from "openai";

const major = Number(process.argv[2].split(".")[0]);

// at calls a method on a child of a parent, a thread if nothing else is said: from
// version 5 on the parent is in an object.
export const at = (resource, method, parent, child, body = {}, key = "thread_id") =>
  major < 5 ? resource[method](parent, child, body) : resource[method](child, { [key]: parent, ...body });

export const remove = major < 5 ? "del" : "delete";

export const client = new OpenAI();

export const getNickname = {
  type: "function",
  function: {
    name: "getNickname",
    parameters: { type: "object", properties: { location: { type: "string" } }, required: ["location"] },
  },
};

export const equation = { role: "user", content: "I need to solve the equation `3x + 11 = 14`. Can you help me?" };
export const nickname = { role: "user", content: "What is the nickname of Chicago?" };

// answers gives the same output for every call that a run waits for.
export const answers = (run, output) =>
  run.required_action.submit_tool_outputs.tool_calls.map((call) => ({ tool_call_id: call.id, output }));
