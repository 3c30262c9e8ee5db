//! Lives here: what a soak is: how long, how many bots in which parts, which server on which port.
//! Not here: running it (`soak`).

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use brightstar::world_data::Rng;

/// How long a soak is unless `BRIGHTSTAR_SOAK` says so.
const DURATION: Duration = Duration::from_secs(25);
/// How many bots play: fewer where the code is not optimised.
const BOTS: u32 = if cfg!(debug_assertions) { 40 } else { 200 };
/// The server lives so long on average, as a part of the soak.
const LIVES: u32 = 10;
const LIFE: std::ops::RangeInclusive<Duration> = Duration::from_secs(6)..=Duration::from_mins(3);
/// Whether sessions outlive a server that dies: what `--restarts` is told.
const SESSIONS: &str = "resume";
/// Which bots do what: pattern, share of all, and what else the part says. A crowd comes after one
/// tenth of the time, another after half of it, and each stays for a fifth.
const PARTS: [(&str, f64, &str); 7] = [
    ("wander", 0.2, ""),
    ("border", 0.25, "metres = 2"),
    ("trade", 0.15, ""),
    ("reconnect", 0.15, "every = '7s'\naway = '1s'"),
    ("slow", 0.1, "every = '12s'\nstall = '4s'"),
    ("crowd", 0.075, "start = '@0.1'\nstay = '@0.2'"),
    (
        "crowd",
        0.075,
        "start = '@0.5'\nstay = '@0.2'\nplace = [1500, 540]",
    ),
];

/// A soak.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) duration: Duration,
    /// How long the server lives on average.
    pub(crate) pause: Duration,
    pub(crate) bots: u32,
    pub(crate) seed: u64,
    pub(crate) binary: String,
    /// Where the server listens, over all its lives.
    pub(crate) listen: String,
    pub(crate) folder: PathBuf,
    /// Which parts are played: all, or those of one pattern, by more bots each.
    parts: Vec<(&'static str, f64, &'static str)>,
    crossings: u64,
    storm: String,
    sessions: String,
    is_temporary: bool,
}

impl Plan {
    /// Reads what is asked for, and lays out the folder.
    pub(crate) fn from_environment() -> Self {
        let told = |name: &str| std::env::var(name).ok();
        let duration = told("BRIGHTSTAR_SOAK").map_or(DURATION, |text| parse_time(&text));
        let number = |name: &str| told(name).map(|text| text.parse::<u64>().unwrap());
        let (folder, is_temporary) = match told("BRIGHTSTAR_SOAK_DIR") {
            Some(folder) => (PathBuf::from(folder), false),
            None => (tempfile::tempdir().unwrap().keep(), true),
        };
        std::fs::create_dir_all(&folder).unwrap();
        let built = env!("CARGO_BIN_EXE_meadow").to_owned();
        let seed = number("BRIGHTSTAR_SEED").unwrap_or(1);
        let pattern = told("BRIGHTSTAR_SOAK_PATTERN");
        let chosen = |part: &&(&str, f64, &str)| pattern.as_ref().is_none_or(|name| name == part.0);
        let plan = Self {
            parts: PARTS.iter().filter(chosen).copied().collect(),
            crossings: number("BRIGHTSTAR_SOAK_CROSSINGS").unwrap_or_default(),
            duration,
            pause: (duration / LIVES).clamp(*LIFE.start(), *LIFE.end()),
            bots: number("BRIGHTSTAR_SOAK_BOTS").map_or(BOTS, |bots| bots.try_into().unwrap()),
            seed,
            binary: told("MEADOW_BIN").unwrap_or(built),
            listen: format!("127.0.0.1:{}", free_port()),
            folder,
            storm: told("BRIGHTSTAR_SOAK_STORM").unwrap_or_else(|| "1s".to_owned()),
            sessions: told("BRIGHTSTAR_SOAK_SESSIONS").unwrap_or_else(|| SESSIONS.to_owned()),
            is_temporary,
        };
        plan.write_token();
        let token = format!("[admin]\ntoken_file = '{}'\n", plan.token_file().display());
        std::fs::write(plan.config_file(), token).unwrap();
        std::fs::write(plan.folder.join("soak.toml"), plan.scenario()).unwrap();
        plan
    }

    /// The flags of the load.
    pub(crate) fn load_flags(&self) -> Vec<String> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        [
            ("--url", format!("ws://{}/v1/ws", self.listen)),
            ("--scenario", path("soak.toml")),
            ("--bots", self.bots.to_string()),
            ("--duration", format!("{}ms", self.duration.as_millis())),
            ("--seed", self.seed.to_string()),
            ("--storm", self.storm.clone()),
            (
                "--admin-token-file",
                self.token_file().display().to_string(),
            ),
            ("--restarts", self.sessions.clone()),
            ("--min-crossings", self.crossings.to_string()),
            ("--report", path("report.json")),
            ("--html", path("report.html")),
        ]
        .into_iter()
        .fold(vec!["load".to_owned()], |mut flags, (name, value)| {
            flags.extend([name.to_owned(), value]);
            flags
        })
    }

    /// The bots that are there from the beginning, roughly: shares are rounded.
    pub(crate) fn early_bots(&self) -> u64 {
        let early = self
            .parts
            .iter()
            .filter(|(_, _, rest)| !rest.contains("start"));
        let share: f64 = early.map(|(_, share, _)| share).sum::<f64>() / self.shares();
        // Some have dropped their sockets at any moment.
        (f64::from(self.bots) * share * 0.8) as u64
    }

    /// What the server is told.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.join("server.toml")
    }

    /// Where the operator's token is.
    fn token_file(&self) -> PathBuf {
        self.folder.join("token")
    }

    /// Removes what nobody needs of a soak that went well.
    pub(crate) fn clean_up(&self) {
        if self.is_temporary {
            std::fs::remove_dir_all(&self.folder).unwrap();
        }
    }

    fn write_token(&self) {
        let file = self.token_file();
        let token = format!("soak-{:032x}", Rng::new().u128(..));
        std::fs::write(&file, token).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn shares(&self) -> f64 {
        self.parts.iter().map(|(_, share, _)| share).sum()
    }

    fn scenario(&self) -> String {
        let parts = self.parts.iter().map(|(pattern, share, rest)| {
            let share = share / self.shares();
            let rest: Vec<_> = rest.lines().map(|line| self.timed(line)).collect();
            format!(
                "[[part]]\npattern = '{pattern}'\nshare = {share}\n{}\n",
                rest.join("\n")
            )
        });
        parts.collect()
    }

    /// Makes times of parts of the soak.
    fn timed(&self, line: &str) -> String {
        let Some((before, share)) = line.split_once('@') else {
            return line.to_owned();
        };
        let share: f64 = share.trim_end_matches('\'').parse().unwrap();
        format!("{before}{:.1}s'", self.duration.as_secs_f64() * share)
    }
}

/// A port that is free, and below those that the system takes for clients: such a client could have
/// it while the server is away, or connect to itself.
fn free_port() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let lowest: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    let mut rng = Rng::new();
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let ports = std::iter::repeat_with(|| rng.u16(8000..lowest.max(8100)));
    ports.take(1000).find(free).unwrap()
}

/// Reads `45s` and `30m`.
fn parse_time(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.len() - 1);
    let number: f64 = number.parse().unwrap();
    match unit {
        "s" => Duration::from_secs_f64(number),
        "m" => Duration::from_secs_f64(number * 60.0),
        _ => panic!("BRIGHTSTAR_SOAK is a time like 45s or 30m, not {text}"),
    }
}
