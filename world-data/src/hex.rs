//! Lives here: bytes as hexadecimal digits, for people and for JSON.
//! Not here: what the bytes mean.

/// The bytes, two digits each.
pub(crate) fn text(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]));
    digits.collect()
}

/// The bytes that digits stand for.
///
/// # Errors
/// When they are not pairs of such digits.
pub(crate) fn bytes(digits: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("{digits:?} is not pairs of hexadecimal digits");
    let digit = |at: u8| {
        char::from(at)
            .to_digit(16)
            .and_then(|n| u8::try_from(n).ok())
    };
    if !digits.len().is_multiple_of(2) {
        return Err(wrong());
    }
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect::<Option<_>>()
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_byte_is_two_digits() {
        assert_eq!(super::text(&[0, 0x1F, 0xAB]), "001fab");
        assert_eq!(super::bytes("001fab").unwrap(), [0, 0x1F, 0xAB]);
        for wrong in ["0", "0g", "é"] {
            super::bytes(wrong).unwrap_err();
        }
    }
}
