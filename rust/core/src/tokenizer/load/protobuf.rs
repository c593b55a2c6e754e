//! Read the wire format of Protocol Buffers, as far as a SentencePiece model needs it, and write base64.

/// The value of a field.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    /// A whole number, also a truth value or an entry of an enumeration.
    Number(u64),
    /// A float.
    Float(f32),
    /// A text, bytes, or a message.
    Bytes(&'a [u8]),
    /// Eight bytes, which no field that is read has.
    Long,
}

/// Visit the fields of a message in their order, by their numbers; `None`: the message is malformed, or the
/// visitor refuses a field.
pub(super) fn visit<'a>(
    mut message: &'a [u8],
    visitor: &mut dyn FnMut(u64, Value<'a>) -> Option<()>,
) -> Option<()> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut message)?),
            1 => {
                split(&mut message, 8)?;
                Value::Long
            }
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Value::Bytes(split(&mut message, length)?)
            }
            5 => Value::Float(f32::from_le_bytes(split(&mut message, 4)?.try_into().ok()?)),
            // Groups, which were given up long ago.
            _ => return None,
        };
        visitor(key >> 3, value)?;
    }
    Some(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn split<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(first)
}

/// Base64 with padding (RFC 4648).
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().enumerate().fold(0, |bits, (at, &byte)| bits | u32::from(byte) << (16 - 8 * at));
        for digit in 0..4 {
            let is_padding = digit > chunk.len();
            let value = (bits >> (18 - 6 * digit)) as usize & 63;
            text.push(if is_padding { '=' } else { char::from(DIGITS[value]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn fields_in_their_order() {
        let mut found = Vec::new();
        let read =
            visit(&[0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1D, 0, 0, 0x80, 0x3F], &mut |field, value| {
                found.push(match value {
                    Value::Number(number) => format!("{field} {number}"),
                    Value::Float(float) => format!("{field} {float}"),
                    Value::Bytes(bytes) => format!("{field} {bytes:?}"),
                    Value::Long => format!("{field}"),
                });
                Some(())
            });
        assert_eq!(read, Some(()));
        assert_eq!(found, ["1 150", "2 [104, 105]", "3 1"]);
    }

    #[test]
    fn malformed_messages() {
        let endless = [0x80; 11];
        for message in [&[0x08][..], &[0x12, 5, 1], &[0x1D, 0, 0], &[0x0B], &[0x09, 1], &endless] {
            assert_eq!(visit(message, &mut |_, _| Some(())), None, "{message:?}");
        }
    }
}
