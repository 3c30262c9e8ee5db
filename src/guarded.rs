//! Lives here: reading small files that hold secrets or keys, and who else may read them.
//! Not here: what is in them (`admin`, `login`, `tls`).
//!
//! Invariant: a secret is read only from a file that its owner alone may read, and no error shows
//! any of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Access of anybody but the file's owner.
const OTHERS: u32 = 0o077;

/// What is in a file that its owner alone may read, at most `limit` bytes.
///
/// # Errors
/// When it can't be read, is longer, or others have access to it: says which.
pub(crate) fn secret(path: &Path, limit: usize) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(words)?;
    // Asked of the open file: nobody can put another in its place meanwhile.
    let mode = file.metadata().map_err(words)?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(format!(
            "others than its owner have access (mode {:03o}); allowed is 600 or less",
            mode & 0o777
        ));
    }
    read(file, limit)
}

/// What is in a file that anybody may read, at most `limit` bytes.
///
/// # Errors
/// When it can't be read or is longer: says which.
pub(crate) fn public(path: &Path, limit: usize) -> Result<Vec<u8>, String> {
    read(File::open(path).map_err(words)?, limit)
}

fn read(file: File, limit: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(words)?;
    if bytes.len() > limit {
        return Err(format!("it has more than {limit} bytes"));
    }
    Ok(bytes)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn words(error: io::Error) -> String {
    error.to_string()
}
