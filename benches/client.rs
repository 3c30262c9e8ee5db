//! Lives here: `client/transfer`: durable transfers from WebSocket client to WebSocket client,
//! against an echo server. Not here: the echo server (`echo`).
//!
//! Both servers are this program again, each in a process of its own with its default number of
//! threads; the one that is not being asked is idle. Both are asked by the same client code, on
//! one thread of this process, over the same number of sockets with the same number of messages
//! in flight and the same bytes in the same order. The client shares the machine with the server,
//! so a faster client would move both figures.

use std::future::Future;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt, future::try_join_all};
use ledger::Ledger;
use protocol::{ClientMessage, Codec, Hello};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::harness::{Measure, Plan, compare, now};
use crate::sample::{ACCOUNTS, Choice, Pair, pairs};

const SOCKETS: usize = 40;
const TRANSFERS: usize = 40_000;
/// A message that takes longer will never come.
const PATIENCE: Duration = Duration::from_secs(30);
const READY: &str = "listening on ";

pub(crate) fn run(plan: &Plan) -> Result<()> {
    for in_flight in [160, 2560] {
        let id = format!("client/transfer/{in_flight}-in-flight");
        if !plan.wants(&id) {
            continue;
        }
        let pairs = pairs(&Choice::Uniform, plan.times(TRANSFERS));
        let (ledger, echo) = (
            Server::start(&["child-ledger".to_owned()])?,
            Server::start(&["child-echo".to_owned()])?,
        );
        let (mut ours, mut floor) = (Clients::new(&ledger, true)?, Clients::new(&echo, false)?);
        let goal = Measure::Rate {
            at_least: Some(0.15),
        };
        let window = in_flight / SOCKETS;
        compare(
            plan,
            &id,
            goal,
            || ours.run(&pairs, window),
            || floor.run(&pairs, window),
        )?;
    }
    Ok(())
}

/// The ledger's server: what the child process does.
pub(crate) fn serve() -> Result<()> {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut config = brightstar::config::Config::default();
    "127.0.0.1:0".clone_into(&mut config.server.listen);
    config.server.data = folder.path().join("ledger").display().to_string();
    // Limits against floods are for strangers; everything that is measured stays as it is.
    config.sessions.commands_per_second = 1_000_000;
    config.gateway.messages_per_second = 1_000_000;
    config.sessions.max_sessions = 1_000_000;
    config.gateway.max_sockets = 1_000_000;
    // Sockets that are only held are not tended.
    config.gateway.ping_interval_seconds = 3_600;
    // As the ledger's own binary has it.
    config.engine.task_budget_ms = 1_000;
    let world = Ledger {
        accounts: ACCOUNTS,
        balance: 1_000_000_000,
    };
    let server = brightstar::server::start(world, &config, &[])?;
    announce(server.address());
    wait_for_parent();
    server.stop()?;
    Ok(())
}

/// Tells the parent where this child listens.
#[expect(clippy::print_stdout, reason = "the parent reads it from a pipe")]
pub(crate) fn announce(address: SocketAddr) {
    println!("{READY}{address}");
    // A parent that has gone is noticed by `wait_for_parent`.
    stdout().flush().unwrap_or_default();
}

/// Returns when the parent has closed the pipe: it has ended or wants this child to end.
pub(crate) fn wait_for_parent() {
    // A pipe that can't be read is as good as closed.
    stdin().lines().map_while(Result::ok).for_each(drop);
}

/// A server in a process of its own. Ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts this program again with these words; returns when it listens.
    pub(crate) fn start(words: &[String]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let command = command
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("no pipe")?);
        let mut line = String::new();
        while !line.starts_with(READY) {
            line.clear();
            ensure!(
                output.read_line(&mut line)? > 0,
                "{} ended before it listened",
                words.join(" ")
            );
        }
        let address = line.trim_start_matches(READY).trim().parse()?;
        Ok(Self {
            child,
            address,
            _output: output,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            println!("# a server did not end: {error}");
        }
    }
}

type Socket = WebSocketStream<TcpStream>;

/// Clients with sockets that stay open over all rounds.
struct Clients {
    runtime: tokio::runtime::Runtime,
    sockets: Vec<Socket>,
    /// The number of the last command on each socket.
    last: u64,
    is_ledger: bool,
}

impl Clients {
    fn new(server: &Server, is_ledger: bool) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let sockets = (0..SOCKETS).map(|n| open(server.address, n, is_ledger));
        let sockets = runtime.block_on(try_join_all(sockets))?;
        Ok(Self {
            runtime,
            sockets,
            last: 0,
            is_ledger,
        })
    }

    /// Transfers per second.
    fn run(&mut self, pairs: &[Pair], window: usize) -> Result<f64> {
        let each = pairs.len() / SOCKETS;
        let (first, is_ledger) = (self.last + 1, self.is_ledger);
        self.last += each as u64;
        let commands = pairs
            .chunks(each)
            .take(SOCKETS)
            .map(|pairs| commands(first, pairs));
        let commands = commands.collect::<Result<Vec<_>>>()?;
        let start = now();
        let all = self.sockets.iter_mut().zip(commands);
        let all = all.map(|(socket, commands)| exchange(socket, commands, window, is_ledger));
        self.runtime.block_on(try_join_all(all))?;
        Ok((each * SOCKETS) as f64 / start.elapsed().as_secs_f64())
    }
}

/// The commands of one socket, encoded before the clock runs.
fn commands(first: u64, pairs: &[Pair]) -> Result<Vec<Bytes>> {
    let numbered = (first..).zip(pairs);
    let encode = |(seq, &(from, to)): (u64, &Pair)| {
        let payload = ledger::Command::Transfer {
            from,
            to,
            amount: 1,
        };
        let message: ClientMessage<_, (), ()> = ClientMessage::Command { seq, payload };
        Ok(message.encode(Codec::MessagePack)?)
    };
    numbered.map(encode).collect()
}

pub(crate) async fn open(address: SocketAddr, number: usize, is_ledger: bool) -> Result<Socket> {
    let mut request = format!("ws://{address}/v1/ws").into_client_request()?;
    if is_ledger {
        let protocol = Codec::MessagePack.subprotocol().parse()?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
    }
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await?;
    let hello: ClientMessage<(), (), ()> = ClientMessage::Hello(Hello::guest(format!("b{number}")));
    socket
        .send(Message::Binary(hello.encode(Codec::MessagePack)?))
        .await?;
    // The welcome, or the echo of the greeting.
    patient(socket.next())
        .await?
        .context("the server hung up")??;
    Ok(socket)
}

/// Sends all commands, never more than `window` unanswered, and waits for all answers.
async fn exchange(
    socket: &mut Socket,
    commands: Vec<Bytes>,
    window: usize,
    is_ledger: bool,
) -> Result<()> {
    let mut open = commands.len();
    let mut commands = commands.into_iter();
    let mut may_send = window;
    while open > 0 {
        for command in commands.by_ref().take(may_send) {
            socket.feed(Message::Binary(command)).await?;
        }
        socket.flush().await?;
        may_send = 0;
        let mut next = Some(patient(socket.next()).await?);
        // What has come meanwhile is taken along, so that one flush answers all of it.
        while let Some(message) = next {
            if is_answer(&message.context("the server hung up")??, is_ledger)? {
                may_send += 1;
            }
            next = socket.next().now_or_never();
        }
        open -= may_send;
    }
    Ok(())
}

/// Whether a message answers a command. The look is the same for both servers but for the two
/// words that the ledger must have said.
fn is_answer(message: &Message, is_ledger: bool) -> Result<bool> {
    let Message::Binary(bytes) = message else {
        return Ok(false);
    };
    if !is_ledger {
        return Ok(true);
    }
    if !bytes.starts_with(b"\x94\xa5reply") {
        return Ok(false);
    }
    if !bytes.windows(3).any(|word| word == b"\xa2ok") {
        bail!("a transfer failed: {}", String::from_utf8_lossy(bytes));
    }
    Ok(true)
}

async fn patient<T>(future: impl Future<Output = T>) -> Result<T> {
    timeout(PATIENCE, future).await.context("no answer")
}
