// What is in a tool's result, in every casing and every QR mode. Nothing here trusts what it reads.

const META_KEY = "io.github.verifa-mcp/capture-link";
const RETRY_META_KEY = "io.github.verifa-mcp/retry";
const PNG = "data:image/png;base64,";

function textField(fields, name) {
  const camel = name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  const values = [name, camel, name.replaceAll("_", "-")].map((spelling) => fields[spelling]);
  return values.find((value) => typeof value === "string" && value !== "");
}

function qrCodeOf(fields, content) {
  const images = content.filter(({ type, mimeType }) => type === "image" && mimeType === "image/png");
  const urls = [textField(fields, "qr_code_data_url"), ...images.map(({ data }) => PNG + data)];
  return urls.find((url) => url?.startsWith(PNG) && /^[A-Za-z0-9+/]+=*$/.test(url.slice(PNG.length)));
}

function environmentOf({ emulator, environment }) {
  if (emulator === true) return "emulator";
  return ["live", "sandbox"].find((known) => known === environment) ?? "unknown";
}

function readResult(result) {
  const { isError, content, structuredContent, _meta } = objectOr(result);
  const blocks = Array.isArray(content) ? content.filter(isObject) : [];
  const said = blocks.filter(({ type, text }) => type === "text" && typeof text === "string");
  const fields = objectOr(structuredContent);
  const about = objectOr(objectOr(_meta)[META_KEY]);
  const link = isError === true ? undefined : textField(fields, "capture_url");
  const expires = textField(fields, "expires_at");
  return {
    link,
    text: said.map(({ text }) => text).join("\n"),
    qrCode: qrCodeOf(fields, blocks),
    expires,
    expiresAt: Date.parse(expires ?? ""),
    session: textField(fields, "session_id") ?? textField(fields, "id") ?? textField(about, "session_id"),
    environment: environmentOf(about),
    tool: textField(about, "tool"),
    statusTool: textField(about, "status_tool"),
  };
}

// A session that was looked up. Without a wait that the server names, an error is a refusal.
function readSession(result) {
  const { isError, structuredContent, _meta } = objectOr(result);
  const retryAfter = Number(objectOr(objectOr(_meta)[RETRY_META_KEY]).after_seconds);
  if (isError === true) return { refused: !(retryAfter >= 0), retryAfter: Math.min(retryAfter, 86_400) };
  return { status: textField(objectOr(structuredContent), "status"), retryAfter: 0 };
}
