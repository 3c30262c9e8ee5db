//! Lives here: the check of a JSON text's nesting before serde sees it, and numbers as text.
//! Not here: parsing; that is `serde_json`'s.
//!
//! Invariant: [`check`] reads each byte once and needs no memory of its own.

use crate::error::DecodeError;
use crate::limits::MAX_DEPTH;

/// Refuses a text that nests deeper than [`MAX_DEPTH`]. Whether it is JSON at all, and ends where
/// it should, the parser says.
pub(crate) fn check(bytes: &[u8]) -> Result<(), DecodeError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(too_deep());
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

pub(crate) fn too_deep() -> DecodeError {
    DecodeError::new(format_args!(
        "the message nests deeper than {MAX_DEPTH} arrays and maps"
    ))
}

/// Writes a whole number.
pub(crate) fn write_uint(into: &mut Vec<u8>, number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    into.extend_from_slice(&digits[at..]);
}

/// Writes a coordinate or factor with at most two decimals. What is not finite is written as 0:
/// the map clamps positions, so there is none.
pub(crate) fn write_hundredths(into: &mut Vec<u8>, value: f32) {
    let hundredths = (f64::from(value) * 100.0).round();
    let hundredths = if hundredths.is_finite() {
        hundredths as i64
    } else {
        0
    };
    if hundredths < 0 {
        into.push(b'-');
    }
    let (whole, part) = (
        hundredths.unsigned_abs() / 100,
        hundredths.unsigned_abs() % 100,
    );
    write_uint(into, whole);
    if part > 0 {
        into.push(b'.');
        into.push(b'0' + (part / 10) as u8);
        if part % 10 > 0 {
            into.push(b'0' + (part % 10) as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hundredths(value: f32) -> String {
        let mut text = Vec::new();
        write_hundredths(&mut text, value);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn coordinates_have_at_most_two_decimals() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.5, "1.5"),
            (0.05, "0.05"),
            (2047.999, "2048"),
            (-3.0149, "-3.01"),
            (1024.126, "1024.13"),
            (f32::NAN, "0"),
            (f32::INFINITY, "0"),
        ] {
            assert_eq!(hundredths(value), text);
        }
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let text = format!(r#"["{}\"[", 1]"#, "[".repeat(100));
        assert_eq!(check(text.as_bytes()), Ok(()));
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert_eq!(check(deep.as_bytes()), Ok(()));
        assert_eq!(check("[{".repeat(MAX_DEPTH).as_bytes()), Err(too_deep()));
    }
}
