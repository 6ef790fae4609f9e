// What is in a tool's result, in every casing and every QR mode. Nothing here trusts what it reads.

const META_KEY = "io.github.verifa-mcp/capture-link";
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
  const fields = objectOr(structuredContent);
  const about = objectOr(objectOr(_meta)[META_KEY]);
  const link = isError === true ? undefined : textField(fields, "capture_url");
  const expires = textField(fields, "expires_at");
  const texts = blocks.filter(({ type, text }) => type === "text" && typeof text === "string");
  return {
    link,
    text: texts.map(({ text }) => text).join("\n") || (link ? "" : "There is no link in the answer."),
    qrCode: qrCodeOf(fields, blocks),
    expires,
    expiresAt: Date.parse(expires ?? ""),
    session: textField(fields, "session_id") ?? textField(fields, "id") ?? textField(about, "session_id"),
    environment: environmentOf(about),
    // Only the one-time link has a field of this name beside its own id.
    tool: about.tool ?? (textField(fields, "session_id") && "generate_one_time_link"),
  };
}
