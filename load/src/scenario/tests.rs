//! Lives here: scenarios that can be played, and the words for those that can not.

use super::*;

fn parse(text: &str) -> Result<Scenario, String> {
    Scenario::parse("x".into(), text, 100).map_err(|error| format!("{error:#}"))
}

#[test]
fn the_scenarios_in_the_box_can_be_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let scenario = Scenario::read(&file.unwrap().path(), 200).unwrap();
        assert!(
            scenario.parts.len() > 1 && scenario.bots() > 100,
            "{scenario:?}"
        );
        names.push(scenario.name);
    }
    names.sort();
    assert_eq!(names, ["flash-crowd", "soak-mix"]);
}

#[test]
fn every_pattern_is_a_scenario_by_its_name() {
    for name in PatternName::value_variants() {
        let scenario = Scenario::of(*name, 7).unwrap();
        assert_eq!(scenario.bots(), 7);
        let parts = scenario.parts.len();
        assert_eq!(parts, 1 + usize::from(*name == PatternName::Crowd));
        assert_eq!(scenario.name, name.to_string());
    }
}

#[test]
fn shares_are_all_bots_and_counts_come_on_top() {
    let third = "[[part]]\npattern = 'wander'\nshare = 0.3333333333\n";
    let text = format!("{third}{third}{third}[[part]]\npattern = 'slow'\nbots = 5");
    let parts = parse(&text).unwrap().parts;
    assert_eq!(parts.iter().map(|part| part.bots).sum::<u32>(), 105);
    assert_eq!(parts[3].bots, 5);
}

#[test]
fn times_and_parameters_are_taken_from_the_part() {
    let text = "[[part]]\npattern = 'crowd'\nbots = 9\nstart = '20s'\nstop = '1m'\n\
                place = [100, 200.5]\nwithin = '3s'\nstay = '10s'";
    let part = &parse(text).unwrap().parts[0];
    assert_eq!(part.start, Some(Duration::from_secs(20)));
    assert_eq!(part.stop.unwrap().as_secs(), 60);
    let crowd = Pattern::Crowd {
        place: [100.0, 200.5],
        metres: 20.0,
        within: Duration::from_secs(3),
        stay: Duration::from_secs(10),
    };
    assert_eq!(part.pattern, crowd);
}

#[test]
fn what_can_not_be_played_is_refused_with_a_word() {
    for (text, words) in [
        ("", "missing field `part`"),
        ("part = []", "there is no part"),
        ("[[part]]\nbots = 1", "part 1: `pattern` is missing"),
        (
            "[[part]]\npattern = 'dance'\nbots = 1",
            "unknown variant `dance`",
        ),
        (
            "[[part]]\npattern = 'star'\nbots = 1\ncolour = 1",
            "unknown field `colour`",
        ),
        (
            "[[part]]\npattern = 'star'",
            "part 1 (star): it needs either `bots` or `share`",
        ),
        (
            "[[part]]\npattern = 'star'\nbots = 1\nshare = 1",
            "either `bots` or `share`",
        ),
        (
            "[[part]]\npattern = 'star'\nshare = 0",
            "`share` must be above 0",
        ),
        ("[[part]]\npattern = 'star'\nshare = 1.5", "sum up to 1.5"),
        ("[[part]]\npattern = 'star'\nbots = 0", "there are 0 bots"),
        (
            "[[part]]\npattern = 'star'\nbots = 1\nplace = [1, 2]",
            "`place` means nothing",
        ),
        (
            "[[part]]\npattern = 'border'\nbots = 1\nmetres = 50",
            "`metres` must be from 1 to 15",
        ),
        (
            "[[part]]\npattern = 'crowd'\nbots = 1\nplace = [1, 4000]",
            "must lie on the map",
        ),
        (
            "[[part]]\npattern = 'star'\nbots = 1\nstart = '5 weeks'",
            "`start`: unit",
        ),
        (
            "[[part]]\npattern = 'star'\nbots = 1\nstart = '9s'\nstop = '9s'",
            "after `start`",
        ),
        (
            "[[part]]\npattern = 'slow'\nbots = 1\nstall = '20s'",
            "`stall` must be at most",
        ),
        (
            "[[part]]\npattern = 'reconnect'\nbots = 1\nevery = '1s'",
            "longer than `away`",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(words), "{text:?} gave {error:?}");
    }
}
