//! Lives here: tests of the configuration's layers, checks and printing.
//! Not here: flags (`cli`).

use std::fmt::Write as _;

use super::load::{environment, table, text_over};
use super::{Config, print, sections};

fn over(text: &str) -> Result<Config, String> {
    text_over(&Config::default(), text, "test.toml").map_err(|error| error.to_string())
}

fn env(name: &str, value: &str) -> Result<Config, String> {
    environment(&Config::default(), [(name.to_owned(), value.to_owned())])
        .map_err(|error| error.to_string())
}

#[test]
fn a_file_changes_what_it_names_and_nothing_else() {
    let config = over("[regions]\ntick_hz = 30\n[log]\nformat = \"json\"\n").unwrap();
    let mut expected = Config::default();
    expected.regions.tick_hz = 30;
    expected.log.format = super::LogFormat::Json;
    assert_eq!(config, expected);
}

#[test]
fn a_whole_number_does_where_one_with_a_point_is_meant() {
    let config = over("[supervisor]\nhot_load = 1\n").unwrap();
    assert!((config.supervisor.hot_load - 1.0).abs() < f64::EPSILON);
    let printed = print(&config);
    assert!(
        printed.contains("(0.05 to 1)\nhot_load = 1.0\n"),
        "{printed}"
    );
    assert_eq!(over(&printed).unwrap(), config);
}

#[test]
fn unknown_keys_and_wrong_types_are_named_with_their_source() {
    for (text, words) in [
        (
            "[regions]\ntick = 1",
            "test.toml: unknown key `regions.tick`",
        ),
        (
            "[region]\ntick_hz = 1",
            "test.toml: unknown section `region`",
        ),
        ("tick_hz = 1", "test.toml: unknown section `tick_hz`"),
        ("regions = 1", "test.toml: `regions` must be a section"),
        (
            "[regions]\ntick_hz = \"1\"",
            "`regions.tick_hz` must be an integer, not a string",
        ),
        ("[supervisor]\nmode = \"maybe\"", "unknown variant `maybe`"),
        (
            "[supervisor]\nhot_load = \"high\"",
            "`supervisor.hot_load` must be a number with a point, not a string",
        ),
        (
            "[engine]\ndurability = \"never\"",
            "unknown variant `never`",
        ),
        ("[regions]\ntick_hz = -1", "test.toml: "),
        ("[regions\n", "test.toml: TOML parse error"),
    ] {
        let error = over(text).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn variables_reach_every_type_of_key() {
    assert_eq!(
        env("BRIGHTSTAR_REGIONS__TICK_HZ", "7")
            .unwrap()
            .regions
            .tick_hz,
        7
    );
    assert_eq!(
        env("BRIGHTSTAR_SERVER__LISTEN", "1.2.3.4:5")
            .unwrap()
            .server
            .listen,
        "1.2.3.4:5"
    );
    assert!(
        env("BRIGHTSTAR_GATEWAY__LIMIT_LOOPBACK", "true")
            .unwrap()
            .gateway
            .limit_loopback
    );
    assert_eq!(
        env("BRIGHTSTAR_SUPERVISOR__HOT_LOAD", "0.8")
            .unwrap()
            .supervisor,
        over("[supervisor]\nhot_load = 0.8").unwrap().supervisor
    );
    assert_eq!(
        env("BRIGHTSTAR_SUPERVISOR__MODE", "off")
            .unwrap()
            .supervisor
            .mode,
        actors::SupervisorMode::Off
    );
    assert_eq!(env("BRIGHTSTAR_LOG", "debug").unwrap().log.level, "debug");
    assert_eq!(
        env("BRIGHTSTAR_SEEDS", "9").unwrap(),
        Config::default(),
        "not a key of ours"
    );
    assert_eq!(env("HOME", "/root").unwrap(), Config::default());
}

#[test]
fn wrong_variables_are_named() {
    let error = env("BRIGHTSTAR_REGIONS__TICK", "7").unwrap_err();
    assert_eq!(
        error,
        "environment: BRIGHTSTAR_REGIONS__TICK: unknown key `regions.tick`"
    );
    let error = env("BRIGHTSTAR_REGIONS__TICK_HZ", "fast").unwrap_err();
    assert_eq!(
        error,
        "environment: BRIGHTSTAR_REGIONS__TICK_HZ: `fast` is not an integer"
    );
}

#[test]
fn ranges_are_checked_and_named() {
    for (text, words) in [
        (
            "[regions]\ntick_hz = 61",
            "regions.tick_hz = 61: allowed are 1 to 60",
        ),
        (
            "[regions]\ntick_hz = 0",
            "regions.tick_hz = 0: allowed are 1 to 60",
        ),
        ("[gateway]\nmax_sockets = 0", "gateway.max_sockets = 0"),
        (
            "[engine]\ncheckpoint_bytes = 600_000_000",
            "engine.journal_limit_bytes = 536870912",
        ),
        ("[log]\nlevel = \"loud\"", "log.level = \"loud\""),
        ("[server]\nlisten = \"[::]:7777\"", "--insecure-guest"),
        (
            "[supervisor]\nhot_load = 1.5",
            "supervisor.hot_load = 1.5: allowed are 0.05 to 1",
        ),
        (
            "[supervisor]\nmerge_load = nan",
            "supervisor.merge_load = NaN: allowed are 0 to 1",
        ),
        (
            "[supervisor]\ncool_load = 0.7",
            "supervisor.cool_load = 0.7: allowed is below supervisor.hot_load = 0.7",
        ),
        (
            "[supervisor]\nmerge_load = 0.3",
            "supervisor.merge_load = 0.3: allowed is up to half of supervisor.split_load = 0.5",
        ),
        (
            "[ladder]\nunder_load = 0.9",
            "ladder.under_load = 0.9: allowed is below ladder.over_load = 0.9",
        ),
    ] {
        let error = over(text).unwrap().check().unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    Config::default().check().unwrap();
}

#[test]
fn defaults_are_those_of_the_crates_below() {
    let config = Config::default();
    let (ours, theirs) = (config.actor_settings(), actors::Settings::default());
    assert_eq!(ours, theirs);
    let (ours, theirs) = (config.engine_options(0), world_data::Options::default());
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
}

#[test]
fn every_key_has_words_and_every_section_is_printed() {
    let all = table(&Config::default());
    assert_eq!(all.len(), sections::all().len());
    for (section, about, keys) in sections::all() {
        assert!(!about.is_empty(), "{section}");
        assert_eq!(
            all[section].as_table().unwrap().len(),
            keys.len(),
            "{section}"
        );
        for key in keys {
            assert!(
                all[section].get(key.name).is_some() && !key.docs.is_empty(),
                "{}",
                key.name
            );
        }
    }
}

#[test]
fn what_is_printed_reads_back_as_the_same_configuration() {
    let mut config = Config::default();
    config.server.data = "a \"quoted\" place".to_owned();
    config.engine.seed = 7;
    let printed = print(&config);
    assert_eq!(over(&printed).unwrap(), config);
}

#[test]
fn the_printed_form() {
    let printed = print(&Config::default());
    assert!(
        printed.starts_with(
            "# Where the server listens and keeps its data.\n\
             [server]\n\
             # Address and port to listen on. Port 0 takes a free one.\n\
             listen = \"127.0.0.1:7777\"\n"
        ),
        "{printed}"
    );
    assert!(
        printed.contains("\n# Ticks per second. (1 to 60)\ntick_hz = 20\n"),
        "{printed}"
    );
}

#[test]
fn a_kind_of_task_has_its_own_limits_or_the_general_ones() {
    let config = over(
        "[engine]\ntask_budget_ms = 7\ntask_attempts = 8\n\
         [tasks]\ncommand_budget_ms = 50\nlogin_attempts = 3\n",
    );
    let limits = config.unwrap().engine_options(0).task_limits;
    let of = |kind: &str| {
        let (_, limit) = limits.iter().find(|(of, _)| *of == kind).unwrap();
        (limit.budget.as_millis(), limit.attempts)
    };
    assert_eq!((of("command"), of("login")), ((50, 8), (7, 3)));
    assert_eq!(limits.len(), 2, "the others have those of all");
    let error = over("[tasks]\ninput_attempts = 10001")
        .unwrap()
        .check()
        .unwrap_err();
    assert!(
        error.to_string().contains("tasks.input_attempts = 10001"),
        "{error}"
    );
}

/// `docs/configuration.md`, as the sections are now.
fn reference() -> String {
    let all = table(&Config::default());
    let mut page = String::from(
        "# Configuration\n\nEvery key, written from the code (`src/config/sections.rs`; a test compares, and \
         `BRIGHTSTAR_RECORD=1\ncargo test -p brightstar --lib config` writes it anew). Settings come from \
         the file (`--config`), then\nthe environment (`BRIGHTSTAR_SECTION__KEY`), then the flags, each \
         stronger than the one before.\n`meadow serve --print-config` prints what is in effect; a world \
         may have other defaults.\n",
    );
    for (section, about, keys) in sections::all() {
        let about: String = about.concat();
        writeln!(page, "\n## {section}\n\n{}\n", about.trim()).unwrap();
        page += "| key | default | allowed | what it is |\n|---|---|---|---|\n";
        for key in keys {
            let range = key.range.map_or_else(String::new, |words| words());
            let docs = key.docs.concat();
            let (name, value) = (key.name, &all[section][key.name]);
            let docs = docs.trim();
            writeln!(page, "| `{name}` | `{value}` | {range} | {docs} |").unwrap();
        }
    }
    page
}

#[test]
fn the_reference_of_the_book_is_of_today() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    if std::env::var_os("BRIGHTSTAR_RECORD").is_some() {
        std::fs::write(path, reference()).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap();
    assert!(
        page == reference(),
        "docs/configuration.md is not of today: run this test with BRIGHTSTAR_RECORD=1 and look at the change"
    );
}
