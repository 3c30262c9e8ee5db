//! Lives here: the operator's token: read from its file, compared, shown to a server.
//! Not here: who is asked for it (`admin`).
//!
//! Invariant: it is never written anywhere but into an operator's own request: not to the log, not
//! to an answer, not to the configuration as printed.

use std::path::Path;

use subtle::ConstantTimeEq;

use crate::config::ConfigError;
use crate::guarded;

/// Characters of a token, at least: fewer could be guessed.
const SHORTEST: usize = 16;
/// Characters of a token, at most: it has to fit a request's header.
const LONGEST: usize = 1_024;
/// Bytes read of the file: the longest token, and blanks around it.
const FILE_LIMIT: usize = 4_096;
/// How a request says that a token follows.
const SCHEME: &[u8] = b"bearer ";

/// The operator's token.
pub(crate) struct Token(Vec<u8>);

impl Token {
    /// Reads the token from the file, once; none when no file is named.
    ///
    /// # Errors
    /// When the file can't be read, others may read it, or what it holds is no token.
    pub(super) fn read(file: &str) -> Result<Option<Self>, ConfigError> {
        if file.is_empty() {
            return Ok(None);
        }
        Self::of_file(Path::new(file))
            .map(Some)
            .map_err(|why| ConfigError(format!("admin.token_file = \"{file}\": {why}")))
    }

    /// Reads the token from a file, for who gives orders.
    ///
    /// # Errors
    /// As [`Token::read`].
    pub(crate) fn of_file(file: &Path) -> Result<Self, String> {
        guarded::secret(file, FILE_LIMIT).and_then(|text| Self::parse(&text))
    }

    /// Writes it as the value of a header `Authorization`.
    pub(crate) fn write_header(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(b"Bearer ");
        into.extend_from_slice(&self.0);
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let token = text.trim_ascii();
        if !(SHORTEST..=LONGEST).contains(&token.len()) {
            return Err(format!(
                "its token has {} characters; allowed are {SHORTEST} to {LONGEST}",
                token.len()
            ));
        }
        if !token.iter().all(u8::is_ascii_graphic) {
            return Err("its token has other characters than letters, digits and signs".to_owned());
        }
        Ok(Self(token.to_vec()))
    }

    /// Whether the value of a header `Authorization` has it. Takes the same time for every wrong
    /// token of the right length.
    pub(super) fn is_in(&self, header: &[u8]) -> bool {
        header
            .split_at_checked(SCHEME.len())
            .is_some_and(|(scheme, token)| {
                scheme.eq_ignore_ascii_case(SCHEME) && bool::from(token.ct_eq(&self.0))
            })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const TOKEN: &str = "correct-horse-battery";

    fn file(text: &str, mode: u32) -> Result<Option<Token>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Token::read(path.to_str().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_is_read_without_the_blanks_around_it() {
        assert!(Token::read("").unwrap().is_none());
        for mode in [0o600, 0o400] {
            let token = file(&format!(" {TOKEN}\r\n"), mode).unwrap().unwrap();
            assert_eq!(token.0, TOKEN.as_bytes());
        }
    }

    #[test]
    fn what_is_no_token_is_refused_by_name_and_not_shown() {
        for (text, mode, words) in [
            (TOKEN, 0o640, "mode 640"),
            (TOKEN, 0o604, "mode 604"),
            (
                "fifteen-letters",
                0o600,
                "15 characters; allowed are 16 to 1024",
            ),
            ("", 0o600, "0 characters"),
            ("a token with blanks", 0o600, "letters, digits and signs"),
            ("ein-schlüssel-für-uns", 0o600, "letters, digits and signs"),
        ] {
            let error = file(text, mode).err().expect(words);
            assert!(error.contains(words), "{error}");
            assert!(error.starts_with("admin.token_file = \"/"), "{error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
        assert!(file(&"x".repeat(1_025), 0o600).is_err());
        let missing = Token::read("/no/such").err().unwrap().to_string();
        assert!(missing.contains("/no/such\": No such file"), "{missing}");
    }

    #[test]
    fn only_the_whole_token_after_its_scheme_is_right() {
        let token = Token::parse(TOKEN.as_bytes()).unwrap();
        for right in ["Bearer", "bearer", "BEARER"] {
            assert!(token.is_in(format!("{right} {TOKEN}").as_bytes()));
        }
        let wrong = [
            "",
            "Bearer",
            "Bearer ",
            TOKEN,
            "Basic correct-horse-battery",
            "Bearer correct-horse-batter",
            "Bearer correct-horse-batteryy",
            "Bearer Correct-horse-battery",
            "Bearer  correct-horse-battery",
        ];
        for wrong in wrong {
            assert!(!token.is_in(wrong.as_bytes()), "{wrong}");
        }
    }
}
