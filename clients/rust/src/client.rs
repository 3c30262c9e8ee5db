//! Lives here: `Client`, handles to a connection that runs in a task of its own.
//! Not here: the connection itself, and what its owner may do without handles (`connection`).
//!
//! Invariant: every request ends: with its answer, or with an error when the task ends.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use protocol::{Codec, Hello, Welcome};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::connection::Connection;
use crate::error::ClientError;
use crate::session::{MAX_UNANSWERED, Resume};
use crate::trust::Trust;
use crate::update::{self, Feed, Outcome, Update, Updates, World};

/// The requests that may wait for the connection's task; more wait with their callers.
pub const MAX_REQUESTS: usize = 256;

/// Where the outcome of a command is awaited.
type Answer<R> = oneshot::Sender<Result<Outcome<R>, ClientError>>;

/// What a handle asks of the connection's task.
enum Request<W: World> {
    Command(W::Command, Answer<W::Reply>),
    Input(W::Input, oneshot::Sender<Result<(), ClientError>>),
    /// Encoded: what is published is of any type.
    Publish(Bytes, oneshot::Sender<Result<(), ClientError>>),
    Ping(oneshot::Sender<Duration>),
    Bye(oneshot::Sender<Result<(), ClientError>>),
}

/// A handle to a session. Cheap to clone; when the last one goes, the socket is closed, and the
/// session lingers on the server.
#[derive(Debug)]
pub struct Client<W: World> {
    requests: mpsc::Sender<Request<W>>,
    welcome: Arc<Welcome>,
    codec: Codec,
}

impl<W: World> Clone for Client<W> {
    fn clone(&self) -> Self {
        Self {
            requests: self.requests.clone(),
            welcome: Arc::clone(&self.welcome),
            codec: self.codec,
        }
    }
}

/// The outcome of a command that was sent: await it.
#[derive(Debug)]
#[must_use = "a reply is there for who awaits it"]
pub struct PendingReply<R>(oneshot::Receiver<Result<Outcome<R>, ClientError>>);

impl<R> Future for PendingReply<R> {
    type Output = Result<Outcome<R>, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|answer| answer.unwrap_or(Err(ClientError::Stopped)))
    }
}

impl<W: World> Client<W> {
    /// Connects and logs in; the socket is served by a task of the current tokio runtime.
    ///
    /// # Errors
    /// When there is no server, or it refuses; [`ClientError::retry`] says whether to try again.
    pub async fn connect(
        url: &str,
        codec: Codec,
        hello: Hello,
    ) -> Result<(Self, Updates<W>), ClientError> {
        Ok(Self::start(Connection::connect(url, codec, hello).await?))
    }

    /// As [`Client::connect`], with a `wss://` server whose certificate `trust` takes.
    ///
    /// # Errors
    /// As [`Connection::connect_trusting`].
    pub async fn connect_trusting(
        url: &str,
        codec: Codec,
        hello: Hello,
        trust: &Trust,
    ) -> Result<(Self, Updates<W>), ClientError> {
        let connection = Connection::connect_trusting(url, codec, hello, trust);
        Ok(Self::start(connection.await?))
    }

    /// Goes on with a session on a new socket; [`Updates::error`] gives what it takes.
    ///
    /// # Errors
    /// As [`Connection::resume`], which keeps `resume` good for another try.
    pub async fn resume(url: &str, resume: &mut Resume) -> Result<(Self, Updates<W>), ClientError> {
        Ok(Self::start(Connection::resume(url, resume).await?))
    }

    fn start(connection: Connection<W>) -> (Self, Updates<W>) {
        let welcome = Arc::new(connection.welcome().clone());
        let codec = connection.codec();
        let (requests, receiver) = mpsc::channel(MAX_REQUESTS);
        let (feed, updates) = update::queue();
        tokio::spawn(serve(connection, receiver, feed));
        let client = Self {
            requests,
            welcome,
            codec,
        };
        (client, updates)
    }

    /// What the server said at the login.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Sends a command and waits for its outcome.
    ///
    /// # Errors
    /// When the command can't be encoded or the connection ends first. In the latter case the
    /// command may have taken effect: resume, and its outcome comes as an update.
    pub async fn command(&self, command: W::Command) -> Result<Outcome<W::Reply>, ClientError> {
        self.submit(command).await?.await
    }

    /// Hands a command over, in order, and gives a future of its outcome: to have many under way.
    /// Waits only while too many requests wait already.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn submit(&self, command: W::Command) -> Result<PendingReply<W::Reply>, ClientError> {
        let (answer, pending) = oneshot::channel();
        self.request(Request::Command(command, answer)).await?;
        Ok(PendingReply(pending))
    }

    /// Steers. Done when the input is on its way.
    ///
    /// # Errors
    /// When it can't be encoded, or the connection has ended.
    pub async fn input(&self, input: W::Input) -> Result<(), ClientError> {
        let (answer, sent) = oneshot::channel();
        self.request(Request::Input(input, answer)).await?;
        sent.await.map_err(|_| ClientError::Stopped)?
    }

    /// Says something on a channel that the session is a member of. Done when it is on its way: there
    /// is no answer, since the world may refuse it; who is heard hears himself as all members do.
    ///
    /// # Errors
    /// When it can't be encoded, or the connection has ended.
    pub async fn publish<P: Serialize + ?Sized>(
        &self,
        channel: &str,
        payload: &P,
    ) -> Result<(), ClientError> {
        let message = Connection::<W>::encode_publish(self.codec, channel, payload)?;
        let (answer, sent) = oneshot::channel();
        self.request(Request::Publish(message, answer)).await?;
        sent.await.map_err(|_| ClientError::Stopped)?
    }

    /// Measures the way to the server and back.
    ///
    /// # Errors
    /// When the connection ends first.
    pub async fn ping(&self) -> Result<Duration, ClientError> {
        let (answer, pong) = oneshot::channel();
        self.request(Request::Ping(answer)).await?;
        pong.await.map_err(|_| ClientError::Stopped)
    }

    /// Logs out. Commands under way end with [`ClientError::Stopped`]; await them before.
    ///
    /// # Errors
    /// When the connection has ended before.
    pub async fn bye(self) -> Result<(), ClientError> {
        let (answer, done) = oneshot::channel();
        self.request(Request::Bye(answer)).await?;
        done.await.map_err(|_| ClientError::Stopped)?
    }

    async fn request(&self, request: Request<W>) -> Result<(), ClientError> {
        self.requests
            .send(request)
            .await
            .map_err(|_| ClientError::Stopped)
    }
}

/// What the connection's task has been asked and has not answered yet.
struct Open<W: World> {
    commands: VecDeque<(u64, Answer<W::Reply>)>,
    pings: HashMap<u64, (Instant, oneshot::Sender<Duration>)>,
    next_ping: u64,
}

/// The connection's task.
async fn serve<W: World>(
    mut connection: Connection<W>,
    mut requests: mpsc::Receiver<Request<W>>,
    feed: Feed<W>,
) {
    let mut open = Open {
        commands: VecDeque::new(),
        pings: HashMap::new(),
        next_ping: 0,
    };
    let error = loop {
        let room = connection.unanswered() < MAX_UNANSWERED && open.pings.len() < MAX_REQUESTS;
        tokio::select! {
            // Requests first, so that those that wait are written, then flushed together.
            biased;
            request = requests.recv(), if room => match request {
                // The last handle has gone.
                None => return feed.end(None),
                Some(Request::Bye(answer)) => {
                    let done = connection.bye().await;
                    feed.end(None);
                    // Whoever asked may have stopped waiting.
                    drop(answer.send(done));
                    return;
                }
                Some(request) => {
                    if let Err(error) = open.ask(&mut connection, request).await {
                        break error;
                    }
                }
            },
            update = connection.next() => match update {
                Ok(update) => open.answer(update, &feed),
                Err(error) => break error,
            },
        }
    };
    let resume = match error.retry() {
        protocol::Retry::Never => None,
        _ => Some(connection.into_resume()),
    };
    feed.end(Some((error, resume)));
}

impl<W: World> Open<W> {
    /// Writes a request; the connection flushes it while it awaits the next update.
    async fn ask(
        &mut self,
        connection: &mut Connection<W>,
        request: Request<W>,
    ) -> Result<(), ClientError> {
        match request {
            Request::Command(command, answer) => match connection.command(&command).await {
                Ok(seq) => self.commands.push_back((seq, answer)),
                // Its sender's mistake, and no harm to the connection.
                Err(error @ ClientError::Encode(_)) => drop(answer.send(Err(error))),
                Err(error) => return Err(error),
            },
            Request::Input(input, answer) => match connection.input(&input).await {
                Ok(_) => drop(answer.send(Ok(()))),
                Err(error @ ClientError::Encode(_)) => drop(answer.send(Err(error))),
                Err(error) => return Err(error),
            },
            Request::Publish(message, answer) => {
                connection.write(message).await?;
                drop(answer.send(Ok(())));
            }
            Request::Ping(answer) => {
                connection.ping(self.next_ping).await?;
                self.pings.insert(self.next_ping, (Instant::now(), answer));
                self.next_ping += 1;
            }
            Request::Bye(_) => {}
        }
        Ok(())
    }

    /// Gives an update to who waits for it, or else to the taker of updates. Whoever has stopped
    /// waiting for an answer does not miss it.
    fn answer(&mut self, update: Update<W>, feed: &Feed<W>) {
        match update {
            Update::Reply { seq, outcome } => {
                match self.commands.iter().position(|(known, _)| *known == seq) {
                    Some(place) => {
                        if let Some((_, answer)) = self.commands.remove(place) {
                            drop(answer.send(Ok(outcome)));
                        }
                    }
                    None => feed.push(Update::Reply { seq, outcome }),
                }
            }
            Update::Pong { nonce, server_ms } => match self.pings.remove(&nonce) {
                Some((sent, answer)) => drop(answer.send(sent.elapsed())),
                None => feed.push(Update::Pong { nonce, server_ms }),
            },
            other => feed.push(other),
        }
    }
}
