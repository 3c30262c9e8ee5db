//! Lives here: what all campaigns share: the accounts that a client pays from and to, what each
//! transfer must come to, and how a server is started and asked.
//! Not here: what a client asks for and when the server is killed (the campaigns), the server's
//! process (`host`).

use std::path::Path;

use brightstar_client::{Connection, ErrorCode, Outcome, Update, World};
use ledger::{Command, Nothing};
use serde_json::Value;

use crate::host::Host;

/// Gold on each account at first.
pub(crate) const BALANCE: i64 = 1_000_000;
/// Accounts that all clients touch, behind those that are one client's own.
pub(crate) const SHARED: u64 = 4;

/// The ledger as a client sees it.
#[derive(Debug)]
pub(crate) struct Bank;

impl World for Bank {
    type Command = Command;
    type Reply = Value;
    type Input = Nothing;
    type Event = Value;
}

pub(crate) type Socket = Connection<Bank>;

/// What one client's transfers have done, as far as it knows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Purse {
    /// Its first account, and the first one that is shared.
    first: u64,
    first_shared: u64,
    pub(crate) own: Vec<i64>,
    /// What its transfers have added to each shared account.
    pub(crate) shared: Vec<i64>,
}

/// What a client knows of an answer before it comes.
#[derive(Debug)]
pub(crate) enum Expected {
    /// The balances of `from` and `to`, where no other client can change them.
    Transferred(Option<i64>, Option<i64>),
    Refused(&'static str),
    /// Anything that is no refusal.
    Done,
}

impl Purse {
    /// The purse of client `number` with so many accounts of its own.
    pub(crate) fn new(number: u64, own: u64, first_shared: u64) -> Self {
        Self {
            first: number * own,
            first_shared,
            own: vec![BALANCE; own as usize],
            shared: vec![0; SHARED as usize],
        }
    }

    /// Does what the server must do.
    pub(crate) fn transfer(&mut self, from: u64, to: u64, amount: i64) -> Expected {
        let (first, first_shared) = (self.first, self.first_shared);
        let own = |account: u64| (account < first_shared).then(|| (account - first) as usize);
        if from == to {
            return Expected::Refused("same_account");
        }
        if own(from).is_some_and(|from| self.own[from] < amount) {
            return Expected::Refused("insufficient");
        }
        for (account, change) in [(from, -amount), (to, amount)] {
            match own(account) {
                Some(account) => self.own[account] += change,
                None => self.shared[(account - first_shared) as usize] += change,
            }
        }
        let balance = |account| own(account).map(|account| self.own[account]);
        Expected::Transferred(balance(from), balance(to))
    }

    /// What it holds must be what the server's list of all balances says.
    pub(crate) fn check(&self, balances: &[i64]) {
        let first = self.first as usize;
        let own = &balances[first..first + self.own.len()];
        assert_eq!(own, self.own, "accounts from {first} on");
    }
}

impl Expected {
    pub(crate) fn check(&self, command: &Command, outcome: &Outcome<Value>) {
        let right = match (self, outcome) {
            (Self::Refused(why), Err(error)) => {
                error.code == ErrorCode::Refused && error.message == *why
            }
            (Self::Transferred(from, to), Ok(reply)) => {
                from.is_none_or(|from| reply["from"] == from)
                    && to.is_none_or(|to| reply["to"] == to)
            }
            (Self::Done, Ok(_)) => true,
            _ => false,
        };
        assert!(right, "{command:?} was answered {outcome:?}, not {self:?}");
    }
}

/// The shared accounts must be the sum of all that clients know to have added.
pub(crate) fn check_shared(purses: &[&Purse], first_shared: u64, balances: &[i64]) {
    for account in 0..SHARED as usize {
        let sum: i64 = purses.iter().map(|purse| purse.shared[account]).sum();
        let balance = balances[first_shared as usize + account];
        assert_eq!(balance, BALANCE + sum, "shared account {account}");
    }
}

/// Starts the ledger with so many accounts.
pub(crate) fn start(folder: &Path, accounts: u64) -> Host {
    let (accounts, balance) = (accounts.to_string(), BALANCE.to_string());
    let flags = [
        "--accounts",
        &accounts,
        "--balance",
        &balance,
        "--regions",
        "8",
    ];
    Host::start(env!("CARGO_BIN_EXE_ledger"), folder, &flags)
}

/// Asks one thing, and waits for its answer.
pub(crate) async fn ask(socket: &mut Socket, command: Command) -> Value {
    socket.command(&command).await.unwrap();
    loop {
        if let Update::Reply { outcome, .. } = socket.next().await.unwrap() {
            return outcome.unwrap();
        }
    }
}
