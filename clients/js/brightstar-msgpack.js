// Lives here: MessagePack, as far as the protocol uses it: nil, booleans, numbers, text, bytes, lists, maps.
// Not here: what the messages mean (brightstar.js). Extension types are refused.
// Invariant: decoding reads inside the given bytes only, and allocates nothing for lengths that
// the bytes can't hold.

/** Deepest nesting of lists and maps that is read or written: the limit of the protocol. */
export const MAX_DEPTH = 32;

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { fatal: true });
const TWO_32 = 2 ** 32;

/** Encodes a value of plain data. `undefined` in maps is left out; BigInt must fit 64 bits. */
export function encode(value) {
  const out = new Writer();
  out.value(value, 0);
  return out.bytes();
}

/** Decodes one value that fills `bytes` exactly. Integers beyond 2^53 become BigInt. */
export function decode(bytes) {
  const input = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  const reader = new Reader(input);
  const value = reader.value(0);
  if (reader.at !== input.length) throw new RangeError("bytes left after the MessagePack value");
  return value;
}

class Writer {
  constructor() {
    this.buffer = new Uint8Array(256);
    this.view = new DataView(this.buffer.buffer);
    this.at = 0;
  }

  bytes() {
    return this.buffer.slice(0, this.at);
  }

  room(count) {
    const need = this.at + count;
    if (need > this.buffer.length) {
      const bigger = new Uint8Array(Math.max(need, this.buffer.length * 2));
      bigger.set(this.buffer);
      this.buffer = bigger;
      this.view = new DataView(bigger.buffer);
    }
    const at = this.at;
    this.at = need;
    return at;
  }

  /** Makes room first: `view` is another one after the buffer has grown. */
  put(setter, count, value) {
    const at = this.room(count);
    this.view[setter](at, value);
  }

  copy(bytes) {
    const at = this.room(bytes.length);
    this.buffer.set(bytes, at);
  }

  byte(value) {
    this.put("setUint8", 1, value);
  }

  value(value, depth) {
    if (depth > MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH}`);
    switch (typeof value) {
      case "boolean":
        return this.byte(value ? 0xc3 : 0xc2);
      case "number":
        return this.number(value);
      case "bigint":
        return this.bigint(value);
      case "string":
        return this.text(value);
      case "undefined":
        return this.byte(0xc0);
      case "object":
        break;
      default:
        throw new TypeError(`a ${typeof value} can't be sent`);
    }
    if (value === null) return this.byte(0xc0);
    if (value instanceof Uint8Array) return this.binary(value);
    if (Array.isArray(value)) {
      this.head(value.length, 0x90, 16, null, 0xdc, 0xdd);
      for (const item of value) this.value(item, depth + 1);
      return undefined;
    }
    const fields = Object.entries(value).filter((field) => field[1] !== undefined);
    this.head(fields.length, 0x80, 16, null, 0xde, 0xdf);
    for (const [name, field] of fields) {
      this.text(name);
      this.value(field, depth + 1);
    }
    return undefined;
  }

  number(value) {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.byte(0xcb);
      this.put("setFloat64", 8, value);
    } else if (value >= 0) {
      this.unsigned(value);
    } else {
      this.negative(value);
    }
  }

  unsigned(value) {
    if (value < 0x80) {
      this.byte(value);
    } else if (value < 0x100) {
      this.byte(0xcc);
      this.byte(value);
    } else if (value < 0x10000) {
      this.byte(0xcd);
      this.put("setUint16", 2, value);
    } else if (value < TWO_32) {
      this.byte(0xce);
      this.put("setUint32", 4, value);
    } else {
      this.bigint(BigInt(value));
    }
  }

  negative(value) {
    if (value >= -0x20) {
      this.byte(value & 0xff);
    } else if (value >= -0x80) {
      this.byte(0xd0);
      this.put("setInt8", 1, value);
    } else if (value >= -0x8000) {
      this.byte(0xd1);
      this.put("setInt16", 2, value);
    } else if (value >= -0x80000000) {
      this.byte(0xd2);
      this.put("setInt32", 4, value);
    } else {
      this.bigint(BigInt(value));
    }
  }

  bigint(value) {
    if (value >= 0n) {
      if (value >= 1n << 64n) throw new RangeError("integer beyond 64 bits");
      this.byte(0xcf);
      this.put("setBigUint64", 8, value);
    } else {
      if (value < -(1n << 63n)) throw new RangeError("integer beyond 64 bits");
      this.byte(0xd3);
      this.put("setBigInt64", 8, value);
    }
  }

  text(value) {
    const bytes = utf8Encoder.encode(value);
    this.head(bytes.length, 0xa0, 32, 0xd9, 0xda, 0xdb);
    this.copy(bytes);
  }

  binary(bytes) {
    this.head(bytes.length, 0, 0, 0xc4, 0xc5, 0xc6);
    this.copy(bytes);
  }

  /** Writes a length: inside the tag below `small`, else in 1, 2 or 4 bytes after its own tag. */
  head(length, fix, small, tag8, tag16, tag32) {
    if (length < small) {
      this.byte(fix | length);
    } else if (tag8 !== null && length < 0x100) {
      this.byte(tag8);
      this.byte(length);
    } else if (length < 0x10000) {
      this.byte(tag16);
      this.put("setUint16", 2, length);
    } else {
      this.byte(tag32);
      this.put("setUint32", 4, length);
    }
  }
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  take(count) {
    const at = this.at;
    if (count > this.bytes.length - at) throw new RangeError("MessagePack ends too early");
    this.at = at + count;
    return at;
  }

  value(depth) {
    if (depth > MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH}`);
    const tag = this.bytes[this.take(1)];
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.map(tag & 0x0f, depth);
    if (tag < 0xa0) return this.list(tag & 0x0f, depth);
    if (tag < 0xc0) return this.text(tag & 0x1f);
    if (tag >= 0xe0) return tag - 0x100;
    if (tag >= 0xca && tag <= 0xd3) return this.number(tag);
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6: {
        const length = this.length(tag - 0xc4);
        const at = this.take(length);
        return this.bytes.slice(at, at + length);
      }
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.text(this.length(tag - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.list(this.length(tag - 0xdc + 1), depth);
      case 0xde:
      case 0xdf:
        return this.map(this.length(tag - 0xde + 1), depth);
      default:
        throw new TypeError(`MessagePack tag 0x${tag.toString(16)} is not used here`);
    }
  }

  /** Reads a length of 2^power bytes. */
  length(power) {
    if (power === 0) return this.view.getUint8(this.take(1));
    return power === 1 ? this.view.getUint16(this.take(2)) : this.view.getUint32(this.take(4));
  }

  number(tag) {
    switch (tag) {
      case 0xca:
        return this.view.getFloat32(this.take(4));
      case 0xcb:
        return this.view.getFloat64(this.take(8));
      case 0xcc:
        return this.view.getUint8(this.take(1));
      case 0xcd:
        return this.view.getUint16(this.take(2));
      case 0xce:
        return this.view.getUint32(this.take(4));
      case 0xcf:
        return narrow(this.view.getBigUint64(this.take(8)));
      case 0xd0:
        return this.view.getInt8(this.take(1));
      case 0xd1:
        return this.view.getInt16(this.take(2));
      case 0xd2:
        return this.view.getInt32(this.take(4));
      default:
        return narrow(this.view.getBigInt64(this.take(8)));
    }
  }

  text(length) {
    const at = this.take(length);
    return utf8Decoder.decode(this.bytes.subarray(at, at + length));
  }

  list(length, depth) {
    if (length > this.bytes.length - this.at) throw new RangeError("MessagePack ends too early");
    const items = [];
    for (let i = 0; i < length; i += 1) items.push(this.value(depth + 1));
    return items;
  }

  map(length, depth) {
    if (length * 2 > this.bytes.length - this.at) throw new RangeError("MessagePack ends too early");
    const fields = {};
    for (let i = 0; i < length; i += 1) {
      const name = String(this.value(depth + 1));
      const value = this.value(depth + 1);
      // Assigning to this name would set the prototype instead of a field.
      if (name === "__proto__") Object.defineProperty(fields, name, { value, enumerable: true });
      else fields[name] = value;
    }
    return fields;
  }
}

function narrow(value) {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
