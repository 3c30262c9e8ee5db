//! Lives here: the players of the crash campaign: how they find gold, give, drop and pick, and
//! what they remember of it.
//! Not here: when the server is killed, and what must add up over all players (`crash`).

use std::collections::{HashMap, VecDeque};

use brightstar_client::{Codec, Connection, ErrorCode, Frame, Hello, Outcome, Update, World};
use meadow::{Command, Event, Input};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;

/// Gifts that a giver has under way.
const WINDOW: u64 = 16;
/// From how near a player picks, in metres: well within the meadow's own reach.
const NEAR: f32 = 2.0;

#[derive(Debug)]
pub(crate) struct Meadow;

impl World for Meadow {
    type Command = Command;
    type Reply = Value;
    type Input = Input;
    type Event = Event;
}

type Socket = Connection<Meadow>;

async fn connect(url: &str, name: String) -> Socket {
    Socket::connect(url, Codec::MessagePack, Hello::guest(name))
        .await
        .unwrap()
}

/// Asks one thing and waits for its outcome.
pub(crate) async fn ask(socket: &mut Socket, command: Command) -> Outcome<Value> {
    socket.command(&command).await.unwrap();
    loop {
        if let Update::Reply { outcome, .. } = socket.next().await.unwrap() {
            return outcome;
        }
    }
}

/// All gold of the meadow.
pub(crate) async fn census(url: &str) -> u64 {
    let mut socket = connect(url, "auditor".to_owned()).await;
    ask(&mut socket, Command::Census).await.unwrap()["gold"]
        .as_u64()
        .unwrap()
}

/// A player: who, and what was in the purse when it was last looked into.
pub(crate) struct Guest {
    pub(crate) number: usize,
    pub(crate) id: u64,
    pub(crate) gold: u64,
}

impl Guest {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number,
            id: 0,
            gold: 0,
        }
    }

    async fn log_in(&self, url: &str) -> Socket {
        connect(url, format!("guest-{}", self.number)).await
    }

    /// What is in the purse now.
    pub(crate) async fn purse(&self, url: &str) -> u64 {
        let mut socket = self.log_in(url).await;
        let me = ask(&mut socket, Command::Me).await.unwrap();
        assert_eq!(
            me["id"].as_u64(),
            Some(self.id),
            "another player under the same name"
        );
        me["gold"].as_u64().unwrap()
    }

    /// Walks to the nearest coins until one is in the purse.
    pub(crate) async fn find_a_coin(&mut self, url: &str) {
        let mut socket = self.log_in(url).await;
        self.id = socket.welcome().you.unwrap();
        let mut view = View::default();
        let (mut target, mut asked) = (None, false);
        loop {
            match socket.next().await.unwrap() {
                Update::Reply {
                    outcome: Ok(reply), ..
                } => {
                    self.gold += reply["gold"].as_u64().unwrap();
                    return;
                }
                Update::Reply {
                    outcome: Err(error),
                    ..
                } => {
                    // Somebody else was there first, or the coin is behind a rounding.
                    assert_eq!(error.code, ErrorCode::Refused, "{error:?}");
                    view.coins.remove(&target.take().unwrap());
                    asked = false;
                }
                Update::Frame(frame) if !asked => {
                    frame.read(&mut view.frame).unwrap();
                    view.look(self.id);
                    if target.is_none_or(|coin| !view.coins.contains_key(&coin)) {
                        target = view.nearest();
                        if let Some(coin) = target {
                            let (x, y) = view.coins[&coin];
                            socket
                                .input(&Input::Go([x.into(), y.into()]))
                                .await
                                .unwrap();
                        }
                    }
                    if let Some(coin) = target.filter(|coin| view.distance(view.coins[coin]) < NEAR)
                    {
                        socket.command(&Command::Pick(coin)).await.unwrap();
                        asked = true;
                    }
                }
                _ => {}
            }
        }
    }
}

/// The coins that a player sees, and where it stands.
#[derive(Default)]
struct View {
    frame: Frame,
    coins: HashMap<u64, (f32, f32)>,
    here: (f32, f32),
}

#[derive(Deserialize)]
struct Kind {
    k: String,
}

impl View {
    fn look(&mut self, you: u64) {
        for cell in self.frame.cells() {
            for gone in self.frame.gone(cell) {
                self.coins.remove(&gone.id);
            }
            for entity in self.frame.entities(cell) {
                if entity.id == you {
                    self.here = (entity.x, entity.y);
                }
                let view = self
                    .frame
                    .view(entity)
                    .map(|view| view.decode::<Kind>().unwrap());
                if view.is_some_and(|view| view.k == "coin") {
                    self.coins.insert(entity.id, (entity.x, entity.y));
                }
            }
        }
    }

    fn distance(&self, (x, y): (f32, f32)) -> f32 {
        (x - self.here.0).hypot(y - self.here.1)
    }

    fn nearest(&self) -> Option<u64> {
        let near = |(_, at): &(&u64, &(f32, f32))| self.distance(**at);
        let nearest = self.coins.iter().min_by(|a, b| near(a).total_cmp(&near(b)));
        nearest.map(|(id, _)| *id)
    }
}

/// A player who gives single coins to the next in the ring.
pub(crate) struct Giver {
    pub(crate) guest: Guest,
    /// Gifts of this round that were answered "given".
    pub(crate) given: u64,
    /// Gifts of this round without an answer.
    pub(crate) open: u64,
    /// Gifts of this round that this player was told of as their receiver.
    pub(crate) told: u64,
}

impl Giver {
    pub(crate) fn new(guest: Guest) -> Self {
        Self {
            guest,
            given: 0,
            open: 0,
            told: 0,
        }
    }

    pub(crate) fn begin_round(&mut self, purse: u64) {
        self.guest.gold = purse;
        (self.given, self.open, self.told) = (0, 0, 0);
    }

    /// Gives until the server is gone.
    pub(crate) async fn play(mut self, url: String, next: u64, answered: mpsc::Sender<()>) -> Self {
        let mut socket = self.guest.log_in(&url).await;
        'playing: loop {
            while self.open < WINDOW {
                self.open += 1;
                if socket
                    .command(&Command::Give { to: next, gold: 1 })
                    .await
                    .is_err()
                {
                    break 'playing;
                }
            }
            match socket.next().await {
                Ok(Update::Reply { outcome, .. }) => {
                    self.open -= 1;
                    match outcome {
                        Ok(_) => self.given += 1,
                        Err(error) => assert_eq!(error.message, "insufficient", "{error:?}"),
                    }
                    // Nobody counts any more once the kill is on its way.
                    answered.send(()).await.unwrap_or_default();
                }
                Ok(Update::Event {
                    event: Event::Given { gold, .. },
                    ..
                }) => self.told += gold,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        self
    }
}

/// Coins of which a gatherer remembers that they are gone.
const PICKED_KEPT: usize = 8;

/// A player who drops a coin and picks it up again, one command at a time.
pub(crate) struct Gatherer {
    pub(crate) guest: Guest,
    /// A coin that lies on the ground for certain.
    dropped: Option<u64>,
    /// Coins that are gone for certain.
    picked: VecDeque<u64>,
    /// Whether the last command has no answer yet.
    open: bool,
}

impl Gatherer {
    pub(crate) fn new(guest: Guest) -> Self {
        Self {
            guest,
            dropped: None,
            picked: VecDeque::new(),
            open: false,
        }
    }

    /// Drops and picks until the server is gone.
    pub(crate) async fn play(mut self, url: String, answered: mpsc::Sender<()>) -> Self {
        let mut socket = self.guest.log_in(&url).await;
        'playing: loop {
            let command = self
                .dropped
                .map_or(Command::Drop { gold: 1 }, Command::Pick);
            self.open = true;
            if socket.command(&command).await.is_err() {
                break;
            }
            while self.open {
                match socket.next().await {
                    Ok(Update::Reply { outcome, .. }) => {
                        self.answered(&outcome.unwrap());
                        answered.send(()).await.unwrap_or_default();
                    }
                    Ok(_) => {}
                    Err(_) => break 'playing,
                }
            }
        }
        self
    }

    fn answered(&mut self, reply: &Value) {
        self.open = false;
        if let Some(coin) = self.dropped.take() {
            assert_eq!(reply["gold"], 1, "a coin is worth what was dropped");
            self.guest.gold += 1;
            self.picked.push_back(coin);
            if self.picked.len() > PICKED_KEPT {
                self.picked.pop_front();
            }
        } else {
            self.guest.gold -= 1;
            self.dropped = reply["id"].as_u64();
            assert!(self.dropped.is_some(), "{reply}");
        }
    }

    /// Looks whether purse and coins are what the answers said, up to the one open command.
    pub(crate) async fn check(&mut self, url: &str) {
        let purse = self.guest.purse(url).await;
        let mut socket = self.guest.log_in(url).await;
        for coin in self.picked.drain(..) {
            let outcome = ask(&mut socket, Command::Pick(coin)).await;
            assert_eq!(
                outcome.unwrap_err().message,
                "gone",
                "coin {coin} was picked twice"
            );
        }
        let expected = self.guest.gold;
        let done = match (self.open, self.dropped) {
            // It may have been dropped: then a coin of unknown number lies there.
            (true, None) => expected.checked_sub(purse),
            (true, Some(_)) => purse.checked_sub(expected),
            (false, _) => (purse == expected).then_some(0),
        };
        assert!(
            done.is_some_and(|done| done <= 1),
            "the purse held {expected} and holds {purse}"
        );
        self.guest.gold = purse;
        if let Some(coin) = self.dropped.take() {
            let outcome = ask(&mut socket, Command::Pick(coin)).await;
            match (done, outcome) {
                (Some(1), Err(error)) => assert_eq!(error.message, "gone", "{error:?}"),
                (_, Ok(_)) if done == Some(0) => self.guest.gold += 1,
                (_, outcome) => panic!("coin {coin}, dropped and seen, is not there: {outcome:?}"),
            }
        }
        self.open = false;
        drop(socket);
        // An open drop leaves a coin whose number nobody knows: it is looked for like any other.
        if self.guest.gold == 0 {
            self.guest.find_a_coin(url).await;
        }
    }
}
