//! Lives here: the macro that defines one section of the configuration: fields, defaults, allowed
//! ranges and words for `--print-config`, each said once.
//! Not here: the sections themselves (`sections`), reading and merging (`load`).

use std::fmt::Display;
use std::ops::RangeInclusive;

/// What is known of one key besides its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// The key's name inside its section.
    pub name: &'static str,
    /// Its doc comment, line by line.
    pub docs: &'static [&'static str],
    /// The allowed range, if it is a number with one.
    pub range: Option<(i64, i64)>,
}

/// Checks a number against its range.
///
/// # Errors
/// Names key, value and range.
pub(crate) fn check<T>(key: &str, value: T, range: RangeInclusive<i64>) -> Result<(), String>
where
    T: Copy + Display + TryInto<i64>,
{
    match value.try_into() {
        Ok(number) if range.contains(&number) => Ok(()),
        _ => Err(format!(
            "{key} = {value}: allowed are {} to {}",
            range.start(),
            range.end()
        )),
    }
}

/// Defines a section: a plain struct with docs, its defaults, `KEYS` and `check`.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident in $section:literal {
            $(
                $(#[doc = $doc:literal])*
                $field:ident: $type:ty = $default:expr $(, in $range:expr)?;
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: $type, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $name {
            pub(crate) const SECTION: &'static str = $section;
            pub(crate) const ABOUT: &'static [&'static str] = &[$($about),*];
            pub(crate) const KEYS: &'static [$crate::config::section::Key] = &[
                $(
                    $crate::config::section::Key {
                        name: stringify!($field),
                        docs: &[$($doc),*],
                        range: $crate::config::section::range_of!($($range)?),
                    },
                )*
            ];

            /// Checks every number against its range.
            ///
            /// # Errors
            /// Names the first key that is out of range, its value and the range.
            pub(crate) fn check(&self) -> Result<(), String> {
                $( $(
                    $crate::config::section::check(
                        concat!($section, ".", stringify!($field)),
                        self.$field,
                        $range,
                    )?;
                )? )*
                Ok(())
            }
        }
    };
}

macro_rules! range_of {
    () => {
        None
    };
    ($range:expr) => {{
        const RANGE: std::ops::RangeInclusive<i64> = $range;
        Some((*RANGE.start(), *RANGE.end()))
    }};
}

pub(crate) use {range_of, section};
