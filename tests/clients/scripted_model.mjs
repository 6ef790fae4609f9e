// A model that always does the same: it calls resume_session once, and then stops. It speaks the three APIs by which the
// clients reach their models, as far as they use them, and keeps every request.

import { once } from "node:events";
import { createServer } from "node:http";

const TOOL = /(^|_)resume_session$/;
const DONE = "Done.";

const texts = (value) => (typeof value === "string" ? value : JSON.stringify(value ?? ""));
const namedTool = (tools, name) => tools.find((tool) => TOOL.test(tool[name]));

// OpenAI's Responses.
const responses = {
  path: /\/responses$/,
  instructions: ({ instructions, input }) => texts([instructions, input]),
  tool({ tools = [] }) {
    const inNamespaces = tools.flatMap((space) => (space.tools ?? []).map((tool) => ({ ...tool, namespace: space.name })));
    return namedTool([...tools, ...inNamespaces], "name");
  },
  result: ({ input }) => input.findLast(({ type }) => type === "function_call_output")?.output,
  answer(tool, args) {
    const call = { type: "function_call", call_id: "call_1", name: tool?.name, namespace: tool?.namespace };
    const message = { type: "message", role: "assistant", id: "msg_1", content: [{ type: "output_text", text: DONE }] };
    const item = tool ? { ...call, id: "fc_1", arguments: JSON.stringify(args) } : message;
    const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
    return [
      { type: "response.created", response: { id: "resp_1" } },
      { type: "response.output_item.done", item },
      { type: "response.completed", response: { id: "resp_1", usage } },
    ];
  },
};

// OpenAI's Chat Completions.
const completions = {
  path: /\/chat\/completions$/,
  instructions: ({ messages }) => texts(messages),
  tool: ({ tools = [] }) => namedTool(tools.map((tool) => tool.function), "name"),
  result: ({ messages }) => messages.findLast(({ role }) => role === "tool")?.content,
  answer(tool, args) {
    const call = { name: tool?.name, arguments: JSON.stringify(args) };
    const calls = { role: "assistant", tool_calls: [{ index: 0, id: "call_1", type: "function", function: call }] };
    const chunk = (delta, finish_reason = null) => ({ id: "c_1", choices: [{ index: 0, delta, finish_reason }] });
    const delta = tool ? calls : { role: "assistant", content: DONE };
    return [chunk(delta), chunk({}, tool ? "tool_calls" : "stop")];
  },
};

// Google's generateContent.
const generateContent = {
  path: /:(streamGenerateContent|generateContent)$/,
  instructions: ({ systemInstruction, contents }) => texts([systemInstruction, contents]),
  tool: ({ tools = [] }) => namedTool(tools.flatMap(({ functionDeclarations = [] }) => functionDeclarations), "name"),
  result({ contents }) {
    const parts = contents.flatMap((content) => content.parts ?? []);
    return parts.findLast(({ functionResponse }) => functionResponse)?.functionResponse.response;
  },
  answer(tool, args) {
    const part = tool ? { functionCall: { name: tool.name, args } } : { text: DONE };
    return [{ candidates: [{ content: { role: "model", parts: [part] }, finishReason: "STOP" }] }];
  },
};

const APIS = [responses, completions, generateContent];

// Returns its address, and what it was told: the tool as it is described, all instructions, and the tool's result.
export async function startModel(t, args) {
  const told = { requests: [] };
  const server = createServer(async (request, response) => {
    const chunks = await Array.fromAsync(request);
    const { pathname } = new URL(request.url, "http://localhost");
    const api = APIS.find(({ path }) => path.test(pathname));
    if (!api) return response.writeHead(404).end("{}");
    const body = JSON.parse(Buffer.concat(chunks).toString());
    told.requests.push(body);
    const [tool, result] = [api.tool(body), api.result(body)];
    told.tool ??= tool;
    told.instructions = api.instructions(body);
    if (result !== undefined) told.result = texts(result);
    const events = api.answer(result === undefined ? tool : undefined, args);
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const event of events) response.write(`${event.type ? `event: ${event.type}\n` : ""}data: ${JSON.stringify(event)}\n\n`);
    response.end(api === completions ? "data: [DONE]\n\n" : "");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${server.address().port}`, told };
}
