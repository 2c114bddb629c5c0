// Decodes the protobuf of OTLP's ExportTraceServiceRequest, by the field numbers of opentelemetry-proto 1.x:
// https://github.com/open-telemetry/opentelemetry-proto. Written against the specification, not against the exporter.

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const utf8 = (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes);
const KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'];
const STATUSES = ['UNSET', 'OK', 'ERROR'];

/** Fields of a message: `[number, wireType, value]`; a value is a BigInt or bytes. */
function* fields(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = () => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      if (at >= bytes.length) throw new Error('a torn number');
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
      shift += 7n;
    }
  };
  const part = (length) => {
    if (at + length > bytes.length) throw new Error('a torn message');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const wire = tag & 7;
    if (wire === 0) yield [tag >> 3, wire, varint()];
    else if (wire === 1) yield [tag >> 3, wire, part(8)];
    else if (wire === 2) yield [tag >> 3, wire, part(Number(varint()))];
    else if (wire === 5) {
      at += 4;
      yield [tag >> 3, wire, BigInt(view.getUint32(at - 4, true))];
    } else throw new Error(`wire type ${wire}`);
  }
}

const fixed64 = (bytes) => Buffer.from(bytes).readBigUInt64LE();

function anyValue(bytes) {
  for (const [number, , value] of fields(bytes)) {
    if (number === 1) return utf8(value);
    if (number === 2) return value !== 0n;
    if (number === 3) return Number(BigInt.asIntN(64, value));
    if (number === 4) return Buffer.from(value).readDoubleLE();
  }
  return undefined;
}

/** Adds a KeyValue; a key that stands twice is a fault of the sender. */
function keyValue(into, bytes) {
  let [key, value] = ['', undefined];
  for (const [number, , field] of fields(bytes)) {
    if (number === 1) key = utf8(field);
    if (number === 2) value = anyValue(field);
  }
  if (Object.hasOwn(into, key)) throw new Error(`the attribute ${key} stands twice`);
  into[key] = value;
}

function event(bytes) {
  const out = { attributes: {} };
  for (const [number, , value] of fields(bytes)) {
    if (number === 1) out.time = fixed64(value);
    if (number === 2) out.name = utf8(value);
    if (number === 3) keyValue(out.attributes, value);
  }
  return out;
}

function link(bytes) {
  const out = { attributes: {} };
  for (const [number, , value] of fields(bytes)) {
    if (number === 1) out.traceId = hex(value);
    if (number === 2) out.spanId = hex(value);
    if (number === 4) keyValue(out.attributes, value);
  }
  return out;
}

function span(bytes) {
  const out = { parentSpanId: '', tracestate: '', name: '', attributes: {}, events: [], links: [], status: { code: 'UNSET', message: '' } };
  for (const [number, , value] of fields(bytes)) {
    if (number === 1) out.traceId = hex(value);
    if (number === 2) out.spanId = hex(value);
    if (number === 3) out.tracestate = utf8(value);
    if (number === 4) out.parentSpanId = hex(value);
    if (number === 5) out.name = utf8(value);
    if (number === 6) out.kind = KINDS[Number(value)];
    if (number === 7) out.start = fixed64(value);
    if (number === 8) out.end = fixed64(value);
    if (number === 9) keyValue(out.attributes, value);
    if (number === 11) out.events.push(event(value));
    if (number === 13) out.links.push(link(value));
    if (number === 15) {
      for (const [field, , inner] of fields(value)) {
        if (field === 2) out.status.message = utf8(inner);
        if (field === 3) out.status.code = STATUSES[Number(inner)];
      }
    }
    if (number === 16) out.flags = Number(value);
  }
  if (out.traceId?.length !== 32 || out.spanId?.length !== 16) throw new Error('ids of the wrong length');
  if (out.end < out.start) throw new Error('a span ends before it starts');
  return out;
}

/** Every span of a request, with its `resource` (attributes) and `scope` (name). */
export function decodeTraces(body) {
  const spans = [];
  for (const [, , resourceSpans] of fields(body)) {
    const resource = {};
    const scopes = [];
    for (const [number, , value] of fields(resourceSpans)) {
      if (number === 1) for (const [field, , inner] of fields(value)) if (field === 1) keyValue(resource, inner);
      if (number === 2) scopes.push(value);
    }
    for (const scopeSpans of scopes) {
      let scope = '';
      const found = [];
      for (const [number, , value] of fields(scopeSpans)) {
        if (number === 1) for (const [field, , inner] of fields(value)) if (field === 1) scope = utf8(inner);
        if (number === 2) found.push(span(value));
      }
      for (const one of found) spans.push({ ...one, resource, scope });
    }
  }
  return spans;
}
