//! Lives here: how the layers of configuration become one: defaults, file, environment, flags.
//! Not here: the keys (`sections`) and the meaning of their values.
//!
//! Invariant: a key that no section has is an error wherever it comes from, and the error names
//! the key and its source; a later layer wins over an earlier one.

use std::path::Path;

use toml::{Table, Value};

use super::{Config, ConfigError};

/// Variables of the environment that carry configuration begin with this.
pub const ENV_PREFIX: &str = "BRIGHTSTAR_";
/// The variable that sets `log.level`.
pub const ENV_LOG: &str = "BRIGHTSTAR_LOG";
/// Separates the section from the key in the name of a variable.
const ENV_NESTED: &str = "__";

/// Reads a configuration file over `config`.
///
/// # Errors
/// When the file can't be read, is not TOML, or has an unknown key or a value of the wrong type;
/// each names the file.
pub fn file(config: &Config, path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("{}: {error}", path.display())))?;
    text_over(config, &text, &path.display().to_string())
}

/// Lays TOML `text` over `config`; `source` names it in errors.
pub(super) fn text_over(config: &Config, text: &str, source: &str) -> Result<Config, ConfigError> {
    let layer: Table = text
        .parse()
        .map_err(|error: toml::de::Error| ConfigError(format!("{source}: {error}")))?;
    let mut all = table(config);
    for (section, values) in layer {
        let Some(known) = all.get_mut(&section).and_then(Value::as_table_mut) else {
            return Err(ConfigError(format!(
                "{source}: unknown section `{section}`"
            )));
        };
        let Value::Table(values) = values else {
            return Err(ConfigError(format!(
                "{source}: `{section}` must be a section"
            )));
        };
        for (key, value) in values {
            put(known, &section, &key, value, source)?;
        }
    }
    all.try_into()
        .map_err(|error| ConfigError(format!("{source}: {error}")))
}

/// Lays variables of the environment over `config`: `BRIGHTSTAR_SECTION__KEY`, and
/// `BRIGHTSTAR_LOG` for `log.level`. Variables without `__` are somebody else's.
///
/// # Errors
/// When a variable names an unknown key or its value has the wrong type.
pub fn environment(
    config: &Config,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut all = table(config);
    for (name, text) in variables {
        let Some(path) = name.strip_prefix(ENV_PREFIX) else {
            continue;
        };
        let path = if name == ENV_LOG { "LOG__LEVEL" } else { path };
        let Some((section, key)) = path.split_once(ENV_NESTED) else {
            continue;
        };
        let (section, key) = (section.to_lowercase(), key.to_lowercase());
        let Some(known) = all.get_mut(&section).and_then(Value::as_table_mut) else {
            return Err(ConfigError(format!(
                "environment: {name}: unknown section `{section}`"
            )));
        };
        let source = format!("environment: {name}");
        let value = match known.get(&key) {
            Some(old) => typed(&text, old)
                .ok_or_else(|| ConfigError(format!("{source}: `{text}` is not {}", what(old))))?,
            None => Value::String(text),
        };
        put(known, &section, &key, value, &source)?;
    }
    all.try_into()
        .map_err(|error| ConfigError(format!("environment: {error}")))
}

/// The whole configuration as a table of sections: every key is there, so it tells what is known.
pub(super) fn table(config: &Config) -> Table {
    Table::try_from(config).expect("plain structs of strings, numbers and switches fit TOML")
}

fn put(
    known: &mut Table,
    section: &str,
    key: &str,
    value: Value,
    source: &str,
) -> Result<(), ConfigError> {
    let Some(old) = known.get_mut(key) else {
        return Err(ConfigError(format!(
            "{source}: unknown key `{section}.{key}`"
        )));
    };
    // "1" is as good a number as "1.0".
    let value = match (&*old, value) {
        (Value::Float(_), Value::Integer(number)) => Value::Float(number as f64),
        (_, value) => value,
    };
    if !old.same_type(&value) {
        return Err(ConfigError(format!(
            "{source}: `{section}.{key}` must be {}, not {}",
            what(old),
            what(&value)
        )));
    }
    *old = value;
    Ok(())
}

fn typed(text: &str, like: &Value) -> Option<Value> {
    Some(match like {
        Value::Integer(_) => Value::Integer(text.parse().ok()?),
        Value::Float(_) => Value::Float(text.parse().ok()?),
        Value::Boolean(_) => Value::Boolean(text.parse().ok()?),
        _ => Value::String(text.to_owned()),
    })
}

fn what(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number with a point",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}
