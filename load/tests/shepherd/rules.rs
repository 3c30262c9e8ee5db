//! Lives here: the rules of the shepherd's meadow, and how each mood breaks them.
//! Not here: its sockets (`shepherd`).

use std::rc::Rc;

use brightstar_client::{Codec, Welcome};
use protocol::{CellPart, EntityPart, Hello, encode_view, frame};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{Mood, TOKEN};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Command {
    Pick(u64),
    Drop { gold: i64 },
    Give { to: u64, gold: i64 },
    Say(String),
    Me,
    Census,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Input {
    Go([f64; 2]),
    Stop,
}

/// What everybody has at first.
const GOLD: i64 = 20;
/// How far a player walks in a tick, in metres.
const STEP: f64 = 0.3;

pub(super) struct Player {
    pub(super) name: String,
    pub(super) gold: i64,
    pub(super) at: [f64; 2],
    pub(super) target: Option<[f64; 2]>,
    pub(super) input: u64,
    pub(super) events: Vec<Value>,
    pub(super) told: usize,
    pub(super) outcomes: Vec<Value>,
    pub(super) session: u64,
    /// Whether the next event is not told.
    pub(super) deaf: bool,
    pub(super) nudge: Rc<Notify>,
}

pub(super) struct Meadow {
    pub(super) mood: Mood,
    pub(super) players: Vec<Player>,
    pub(super) coins: Vec<i64>,
    pub(super) asked: u64,
    /// How often it was started anew.
    pub(super) process: u64,
}

impl Player {
    /// Nothing of an earlier session is known in this one.
    fn begin_session(&mut self) {
        self.session += 1;
        self.told = 0;
        self.events.clear();
        self.outcomes.clear();
    }

    pub(super) fn steer(&mut self, seq: u64, input: &Input) {
        self.input = self.input.max(seq);
        self.target = match input {
            Input::Go(to) => Some(*to),
            Input::Stop => None,
        };
    }

    pub(super) fn walk(&mut self) {
        let Some(to) = self.target else { return };
        let way = (to[0] - self.at[0]).hypot(to[1] - self.at[1]);
        let part = (STEP / way.max(STEP)).min(1.0);
        self.at = [0, 1].map(|i| self.at[i] + (to[i] - self.at[i]) * part);
    }
}

impl Meadow {
    /// Lets somebody in, or nobody when the token is of a session that was forgotten.
    pub(super) fn login(&mut self, hello: &Hello) -> Option<(usize, Welcome)> {
        let resumed = hello.resume.is_some();
        let known = |player: &Player| hello.name.as_ref() == Some(&player.name);
        let you = if let Some(token) = &hello.resume {
            let (you, session) = token.split_once('/').unwrap();
            let you: usize = you.parse().unwrap();
            (self.players[you].session.to_string() == session).then_some(you)?
        } else if let Some(you) = self.players.iter().position(known) {
            self.players[you].begin_session();
            you
        } else {
            let name = hello.name.clone().unwrap();
            self.players.push(Player {
                name,
                gold: GOLD,
                at: [100.0, 100.0],
                target: None,
                input: 0,
                events: Vec::new(),
                told: 0,
                outcomes: Vec::new(),
                session: 0,
                deaf: false,
                nudge: Rc::new(Notify::new()),
            });
            self.players.len() - 1
        };
        let player = &mut self.players[you];
        if let Some(last) = hello.last {
            player.told = last as usize;
            player.nudge.notify_one();
        }
        let welcome = Welcome {
            session: uuid::Uuid::from_u128((you as u128 + 1) << 64 | u128::from(player.session)),
            resume: format!("{you}/{}", player.session),
            resumed,
            last_command: player.outcomes.len() as u64,
            tick_hz: 20,
            cell: 32.0,
            view_radius: 96.0,
            you: Some(id(you)),
        };
        Some((you, welcome))
    }

    /// The process ends, and another goes on with what was kept.
    pub(super) fn start_anew(&mut self) {
        if self.mood != Mood::Rude {
            self.process += 1;
        }
        for player in &mut self.players {
            player.target = None;
            match self.mood {
                Mood::Amnesiac => player.session += 1,
                Mood::Backslider => {
                    player.gold += i64::from(player.outcomes.pop().is_some());
                }
                Mood::Robber => {
                    player.session += 1;
                    player.gold -= 5;
                }
                Mood::Spender => player.gold -= 1,
                Mood::Deaf => player.deaf = true,
                _ => {}
            }
        }
    }

    /// Does a command once; what was done is answered from the record.
    pub(super) fn command(&mut self, you: usize, seq: u64, command: &Command) -> Value {
        let done = self.players[you].outcomes.get(seq as usize - 1).cloned();
        if let Some(outcome) = done {
            if self.mood == Mood::Eager {
                return self.act(you, command);
            }
            return outcome;
        }
        let outcome = self.act(you, command);
        self.players[you].outcomes.push(outcome.clone());
        outcome
    }

    pub(super) fn act(&mut self, you: usize, command: &Command) -> Value {
        let mood = self.mood;
        let player = &mut self.players[you];
        match *command {
            Command::Pick(coin) => {
                player.gold += std::mem::take(&mut self.coins[coin as usize]);
                json!({ "gold": 1 })
            }
            Command::Drop { gold } => {
                player.gold -= gold;
                self.coins.push(gold);
                json!({ "id": self.coins.len() - 1 })
            }
            Command::Give { to, gold } => {
                player.gold -= gold;
                let left = player.gold;
                let given = json!({ "given": { "from": id(you), "name": "x", "gold": gold } });
                let friend = &mut self.players[to as usize - 1];
                if mood != Mood::Keeper {
                    friend.gold += gold;
                    friend.events.push(given);
                    friend.nudge.notify_one();
                }
                json!({ "gold": left })
            }
            Command::Say(ref text) => {
                let said = json!({ "said": { "from": id(you), "name": "x", "text": text } });
                player.events.push(said);
                player.nudge.notify_one();
                json!({ "heard": 1 })
            }
            Command::Me => {
                let flattery = i64::from(mood == Mood::Flatterer && !player.outcomes.is_empty());
                let (name, at, gold) = (&player.name, player.at, player.gold + flattery);
                json!({ "id": id(you), "name": name, "gold": gold, "mushrooms": 0, "at": at })
            }
            Command::Census => {
                // New players bring their gold; the test's world has no other source.
                self.asked += 1;
                let lost = if mood == Mood::Thief { self.asked } else { 0 };
                json!({ "gold": 1000 - lost, "players": self.players.len() })
            }
        }
    }

    pub(super) fn frame(&mut self, codec: Codec, you: usize, tick: u64) -> bytes::Bytes {
        let (mood, player) = (self.mood, &mut self.players[you]);
        player.walk();
        let view = encode_view(codec, &json!({ "k": "player", "name": player.name })).unwrap();
        let entity = || EntityPart {
            id: id(you),
            x: player.at[0] as f32,
            y: player.at[1] as f32,
            view: (tick == 1).then_some(&*view),
        };
        let (full, shown) = (tick == 1, mood != Mood::Blind || tick == 1);
        let mut parts = Vec::new();
        if shown {
            parts.push(CellPart::encode(codec, 0, full, [entity()], []));
        }
        if mood == Mood::Blind && tick == 2 {
            let gone = [protocol::Gone {
                id: id(you),
                to: None,
            }];
            parts.push(CellPart::encode(codec, 0, false, [], gone));
        }
        if mood == Mood::Ghostly {
            parts.push(CellPart::encode(codec, 1, full, [entity()], []));
        }
        let input = if mood == Mood::Backward && tick.is_multiple_of(5) {
            0
        } else {
            player.input
        };
        frame(codec, tick, input, 1.0, parts.iter().map(|part| &**part))
    }

    /// What comes of an order, as HTTP has it.
    pub(super) fn order(&self, request: &str) -> (&'static str, Value) {
        if !request.contains(&format!("Bearer {TOKEN}")) {
            (
                "401 Unauthorized",
                json!({ "error": { "message": "who are you?" } }),
            )
        } else if self.mood == Mood::Clumsy {
            (
                "409 Conflict",
                json!({ "error": { "message": "the sheep ran away" } }),
            )
        } else if request.contains("/admin/merge") {
            (
                "409 Conflict",
                json!({ "error": { "message": "it is the last region of the line" } }),
            )
        } else {
            ("200 OK", json!({ "pause_ms": 60.0 }))
        }
    }

    pub(super) fn status(&mut self) -> Value {
        self.asked += 1;
        let ticks = self.asked * 20;
        let late = if self.mood == Mood::Late {
            ticks / 2
        } else {
            0
        };
        if self.mood == Mood::Silent {
            return json!("what do you want?");
        }
        let region = |id: u64, from: u64, to: u64| {
            json!({ "id": id, "from": from, "to": to, "worker": id % 2, "load": 0.1,
                "ticks": ticks, "late": late, "queue": 0, "lateness_ms": 3.5, "dilation": 1.0 })
        };
        let change = json!({ "number": 1, "at_ms": 4e12, "change": "split", "cause": "region_hot",
            "regions": [1], "became": [1, 2], "from_worker": null, "to_worker": 1, "gain": 0.3,
            "reason": "hot & <crowded>", "state": "kept", "pause_ms": 2.0 });
        json!({ "hosts": [{
            "host": format!("process-{}", self.process),
            "workers": [{ "worker": 0, "load": 0.4 }, { "worker": 1, "load": 0.2 }],
            "regions": [region(1, 0, 100), region(2, 100, 8192)],
            "supervisor": { "mode": "on", "changes": [change] },
        }] })
    }
}

/// Entities are numbered from 1.
fn id(player: usize) -> u64 {
    player as u64 + 1
}
