//! Lives here: the process's log (`tracing` to standard error) and the panic hook that writes to it.
//! Not here: what is logged; that is said where it happens. Secrets (resume tokens) are never.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{ConfigError, Log, LogFormat};

/// Starts the log of this process. When one runs already (a test, a host program), it stays.
///
/// # Errors
/// When the level can't be read.
pub(crate) fn start(log: &Log) -> Result<(), ConfigError> {
    let level = parse_level(&log.level)?;
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let layer = if json {
        fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(std::io::stderr)
            .boxed()
    } else {
        let colours = std::io::stderr().is_terminal();
        fmt::layer()
            .with_ansi(colours)
            .with_writer(std::io::stderr)
            .boxed()
    };
    let registry = tracing_subscriber::registry().with(layer.with_filter(level));
    if registry.try_init().is_err() {
        tracing::debug!("a log runs already; it stays");
    }
    Ok(())
}

/// Reads `log.level`: a level, or targets with levels of their own.
///
/// # Errors
/// Names the value and what is allowed.
pub(crate) fn parse_level(level: &str) -> Result<Targets, ConfigError> {
    let wrong = |why: String| {
        ConfigError(format!(
            "log.level = \"{level}\": {why}; allowed are error, warn, info, debug, trace, off, or \
             a list like info,actors=debug"
        ))
    };
    // A bare word that is no level would be taken for a target, and silence everything else.
    for word in level
        .split(',')
        .map(str::trim)
        .filter(|word| !word.contains('='))
    {
        LevelFilter::from_str(word).map_err(|_| wrong(format!("`{word}` is no level")))?;
    }
    Targets::from_str(level).map_err(|error| wrong(error.to_string()))
}

/// Makes panics lines of the log, then does what was done before.
///
/// Tasks' panics are caught by the engine; this is how their place and words get out.
pub(crate) fn hook_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let words = panic.payload_as_str().unwrap_or("no words");
        let backtrace = std::backtrace::Backtrace::capture();
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            tracing::error!(at, thread, %backtrace, "panic: {words}");
        } else {
            tracing::error!(at, thread, "panic: {words}");
        }
    }));
}
