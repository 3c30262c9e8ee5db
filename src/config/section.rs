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
    /// Says the allowed range, if it is a number with one: "1 to 60".
    pub range: Option<fn() -> String>,
}

/// A number that has a range: what its bounds are written as.
pub(crate) trait Ranged: Copy + Display {
    /// The type of the bounds.
    type Bound: PartialOrd + Display;

    /// The number as its bounds are; none when it is beyond them all.
    fn ranged(self) -> Option<Self::Bound>;
}

macro_rules! whole {
    ($($type:ty),*) => {
        $(
            impl Ranged for $type {
                type Bound = i64;

                fn ranged(self) -> Option<i64> {
                    self.try_into().ok()
                }
            }
        )*
    };
}

whole!(u32, u64, usize);

impl Ranged for f64 {
    type Bound = Self;

    fn ranged(self) -> Option<Self> {
        Some(self)
    }
}

/// A range in words.
pub(crate) fn words<B: Display>(range: &RangeInclusive<B>) -> String {
    format!("{} to {}", range.start(), range.end())
}

/// Checks a number against its range.
///
/// # Errors
/// Names key, value and range.
pub(crate) fn check<T: Ranged>(
    key: &str,
    value: T,
    range: &RangeInclusive<T::Bound>,
) -> Result<(), String> {
    match value.ranged() {
        Some(number) if range.contains(&number) => Ok(()),
        _ => Err(format!("{key} = {value}: allowed are {}", words(range))),
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
                        range: $crate::config::section::range_of!($type $(, $range)?),
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
                        &$range,
                    )?;
                )? )*
                Ok(())
            }
        }
    };
}

macro_rules! range_of {
    ($type:ty) => {
        None
    };
    ($type:ty, $range:expr) => {
        Some(|| {
            $crate::config::section::words::<<$type as $crate::config::section::Ranged>::Bound>(
                &$range,
            )
        })
    };
}

pub(crate) use {range_of, section};
