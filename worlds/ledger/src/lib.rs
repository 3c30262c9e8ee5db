//! Ledger: accounts and lists without a map, the world that proofs and benchmarks use.
//! Lives here: all of its rules. Not here: the binary (`main`).
//!
//! Invariant: a transfer takes from one account what it adds to another, and no balance is ever
//! below zero, so the sum of all balances is for ever what it was at genesis.

use serde::{Deserialize, Serialize};
use world_data::{
    Caller, Entity, Kinds, Map, Object, ObjectId, Ref, Stop, Task, World, object::MAX_KEY,
};

/// Shards: accounts are spread over them by their keys.
pub const SHARDS: u32 = 4096;
/// The most accounts a ledger may have: `total` reads them all in one task.
pub const MAX_ACCOUNTS: u64 = 1_000_000;
/// The most accounts that one `balance` may ask for.
pub const MAX_BALANCES: usize = 1000;
/// The most operations in one `txn`.
pub const MAX_OPS: usize = 64;
/// The longest a list may grow.
pub const MAX_LIST: usize = 4096;

/// The world: how many accounts it begins with, and what is on each. Read at genesis only: a
/// ledger that is stored already stays as it is.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// Accounts, numbered from 0.
    pub accounts: u64,
    /// What is on each at the beginning.
    pub balance: i64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            accounts: 100_000,
            balance: 1_000_000_000,
        }
    }
}

/// An account, under its number.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// What is on it, never below zero.
    pub balance: i64,
}

/// A list, under its key.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct List {
    /// In the order they were appended.
    pub values: Vec<i64>,
}

/// What is known of the whole ledger, under key 0: written at genesis, only read afterwards.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Books {
    /// How many accounts there are.
    pub accounts: u64,
    /// What they must always sum up to.
    pub total: i64,
}

impl Object for Account {
    const KIND: u16 = 1;
    const NAME: &'static str = "account";
}
impl Object for List {
    const KIND: u16 = 2;
    const NAME: &'static str = "list";
}
impl Object for Books {
    const KIND: u16 = 3;
    const NAME: &'static str = "books";
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Moves an amount from one account to another.
    Transfer {
        /// The account that pays.
        from: u64,
        /// The account that is paid.
        to: u64,
        /// How much.
        amount: i64,
    },
    /// Asks what is on some accounts, at one moment.
    Balance(Vec<u64>),
    /// Asks for the sum of all balances, at one moment.
    Total,
    /// Reads and appends to lists, all at one moment.
    Txn(Vec<Op>),
}

/// One operation on a list: `["r", key, null]` or `["append", key, value]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op(pub Verb, pub u64, pub Option<i64>);

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Reads the list.
    R,
    /// Appends a value.
    Append,
}

/// What a command is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// To `transfer`: what is on both accounts now.
    Transferred {
        /// On the account that paid.
        from: i64,
        /// On the account that was paid.
        to: i64,
    },
    /// To `balance`: in the order of the question.
    Balances(Vec<i64>),
    /// To `total`.
    Total(i64),
    /// To `txn`: the same operations, with reads filled in.
    Txn(Vec<(Verb, u64, Read)>),
}

/// The last part of an operation that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Read {
    /// The value that was appended.
    Appended(i64),
    /// The list that was read; `None` if nothing was ever appended to it.
    List(Option<Vec<i64>>),
}

/// There are no inputs, and nothing to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nothing {}

impl World for Ledger {
    const NAME: &'static str = "ledger";
    type Command = Command;
    type Reply = Reply;
    type Input = Nothing;
    type Job = ();
    type View = Nothing;

    fn map(&self) -> Map {
        Map::shards_only(SHARDS)
    }

    fn kinds(&self) -> Kinds {
        Kinds::new()
            .with::<Account>()
            .with::<List>()
            .with::<Books>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        let (accounts, balance) = (self.accounts, self.balance);
        if accounts > MAX_ACCOUNTS || balance < 0 {
            return Err(Stop::refused(format!(
                "a ledger has at most {MAX_ACCOUNTS} accounts, with nothing below zero on them"
            )));
        }
        // That the total fits also means that no balance can ever overflow.
        let total = i64::try_from(accounts)
            .ok()
            .and_then(|n| n.checked_mul(balance));
        let total = total.ok_or_else(|| Stop::refused("the total must fit into 63 bits"))?;
        for account in 0..accounts {
            task.create_keyed(account, Account { balance })?;
        }
        task.create_keyed(0, Books { accounts, total })?;
        Ok(())
    }

    fn login(&self, _: &mut Task<'_>, _: &Caller) -> Result<Option<ObjectId>, Stop> {
        Ok(None)
    }

    fn logout(&self, _: &mut Task<'_>, _: &Caller) -> Result<(), Stop> {
        Ok(())
    }

    fn command(&self, task: &mut Task<'_>, _: &Caller, command: &Command) -> Result<Reply, Stop> {
        match command {
            Command::Transfer { from, to, amount } => transfer(task, *from, *to, *amount),
            Command::Balance(accounts) => balances(task, accounts),
            Command::Total => total(task),
            Command::Txn(ops) => txn(task, ops),
        }
    }

    fn input(&self, _: &mut Task<'_>, _: &Caller, input: &Nothing) -> Result<(), Stop> {
        match *input {}
    }

    fn view(&self, _: Entity<'_>) -> Option<Nothing> {
        None
    }
}

/// Moves `amount` from one account to another: the whole world's purpose. Benches call it too.
pub fn transfer(task: &mut Task<'_>, from: u64, to: u64, amount: i64) -> Result<Reply, Stop> {
    if amount <= 0 {
        return Err(Stop::refused("bad_amount"));
    }
    if from == to {
        return Err(Stop::refused("same_account"));
    }
    let from = known(task.update(account(from)?, |account| {
        if account.balance < amount {
            return Err(Stop::refused("insufficient"));
        }
        account.balance -= amount;
        Ok(account.balance)
    }))?;
    let to = known(task.update(account(to)?, |account| {
        account.balance += amount;
        Ok(account.balance)
    }))?;
    Ok(Reply::Transferred { from, to })
}

fn balances(task: &mut Task<'_>, accounts: &[u64]) -> Result<Reply, Stop> {
    if accounts.len() > MAX_BALANCES {
        return Err(Stop::refused("too_many"));
    }
    let balances = accounts
        .iter()
        .map(|&n| known(task.read(account(n)?, |a| a.balance)));
    Ok(Reply::Balances(balances.collect::<Result<_, _>>()?))
}

/// Reads every account in one task, so the sum is of one moment.
fn total(task: &mut Task<'_>) -> Result<Reply, Stop> {
    let accounts = task.read(Ref::<Books>::keyed(0), |books| books.accounts)?;
    let mut sum = 0;
    for n in 0..accounts {
        sum += task.read(account(n)?, |account| account.balance)?;
    }
    Ok(Reply::Total(sum))
}

fn txn(task: &mut Task<'_>, ops: &[Op]) -> Result<Reply, Stop> {
    if ops.len() > MAX_OPS {
        return Err(Stop::refused("too_many"));
    }
    let mut done = Vec::with_capacity(ops.len());
    for Op(verb, key, value) in ops {
        if *key > MAX_KEY {
            return Err(Stop::refused("bad_key"));
        }
        let list = Ref::<List>::keyed(*key);
        let read = match (verb, value) {
            (Verb::R, None) => Read::List(task.find(list)?.map(|list| list.values.clone())),
            (Verb::Append, Some(value)) => append(task, list, *key, *value)?,
            _ => return Err(Stop::refused("bad_op")),
        };
        done.push((*verb, *key, read));
    }
    Ok(Reply::Txn(done))
}

fn append(task: &mut Task<'_>, list: Ref<List>, key: u64, value: i64) -> Result<Read, Stop> {
    if task.find(list)?.is_none() {
        task.create_keyed(
            key,
            List {
                values: vec![value],
            },
        )?;
        return Ok(Read::Appended(value));
    }
    task.update(list, |list| {
        if list.values.len() >= MAX_LIST {
            return Err(Stop::refused("list_full"));
        }
        list.values.push(value);
        Ok(Read::Appended(value))
    })
}

fn account(number: u64) -> Result<Ref<Account>, Stop> {
    if number >= MAX_ACCOUNTS {
        return Err(Stop::refused("no_such_account"));
    }
    Ok(Ref::keyed(number))
}

/// A missing account is the client's mistake, not a fault.
fn known<T>(read: Result<T, Stop>) -> Result<T, Stop> {
    match read {
        Err(Stop::Missing(_)) => Err(Stop::refused("no_such_account")),
        other => other,
    }
}
