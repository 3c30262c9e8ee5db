//! Lives here: `Connection`, a session's socket, driven by its one owner.
//! Not here: handles and futures for many users (`client`), numbering (`session`).
//!
//! Invariant: what is written is flushed at the latest while the next update is awaited, and
//! waiting to write never keeps it from reading.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use protocol::{ClientMessage, Codec, Hello, Incoming, ServerMessage, Welcome};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use crate::error::ClientError;
use crate::session::{Resume, Session};
use crate::trust::Trust;
use crate::update::{EncodedFrame, Update, World};

/// The time that connecting and logging in may take together; also for saying goodbye.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest message that is taken from a server, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// Bytes read from the socket at once. Small, since a process may hold thousands of connections.
const READ_BUFFER_BYTES: usize = 8 << 10;
/// Bytes of messages that are written together when nobody flushes before.
const WRITE_BUFFER_BYTES: usize = 16 << 10;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
/// A message whose payloads, if any, are of type `P`.
type Outgoing<P> = ClientMessage<P, P, P>;

/// A session's socket. Commands and inputs are written together; call [`Connection::flush`], or
/// await [`Connection::next`], which flushes too.
pub struct Connection<W: World> {
    socket: Socket,
    codec: Codec,
    trust: Option<Trust>,
    session: Session,
    unflushed: bool,
    repeated: u64,
    /// Why a command could not be written: told by `next`, once what came before it has been read.
    failed: Option<ClientError>,
    world: PhantomData<W>,
}

impl<W: World> fmt::Debug for Connection<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl<W: World> Connection<W> {
    /// Connects and logs in.
    ///
    /// # Errors
    /// When there is no server, or it refuses; [`ClientError::retry`] says whether to try again.
    pub async fn connect(url: &str, codec: Codec, hello: Hello) -> Result<Self, ClientError> {
        Self::connect_by(url, codec, hello, None).await
    }

    /// As [`Connection::connect`], with a `wss://` server whose certificate `trust` takes. Sockets
    /// that the session is resumed on are held to the same.
    ///
    /// # Errors
    /// As [`Connection::connect`], and when the server's certificate is not trusted.
    pub async fn connect_trusting(
        url: &str,
        codec: Codec,
        hello: Hello,
        trust: &Trust,
    ) -> Result<Self, ClientError> {
        Self::connect_by(url, codec, hello, Some(trust.clone())).await
    }

    async fn connect_by(
        url: &str,
        codec: Codec,
        hello: Hello,
        trust: Option<Trust>,
    ) -> Result<Self, ClientError> {
        let (socket, welcome) = open(url, codec, hello, trust.as_ref()).await?;
        let session = Session::new(welcome);
        Ok(Self {
            socket,
            codec,
            trust,
            session,
            unflushed: false,
            repeated: 0,
            failed: None,
            world: PhantomData,
        })
    }

    /// Goes on with a session on a new socket. Commands without a reply are sent again, under
    /// their numbers, and their replies come as updates; events that were missed come again.
    ///
    /// # Errors
    /// When there is no server, or it refuses, or no longer has the session. `resume` stays good
    /// for another try: it holds the newest token, should the socket have failed after the welcome.
    pub async fn resume(url: &str, resume: &mut Resume) -> Result<Self, ClientError> {
        let (codec, session) = (resume.codec, &mut resume.session);
        let hello = Hello::resume(session.welcome.resume.clone(), session.last_event);
        let trust = resume.trust.clone();
        let (mut socket, welcome) = open(url, codec, hello, trust.as_ref()).await?;
        for bytes in session.resumed(welcome)? {
            socket.feed(message(codec, bytes)?).await?;
        }
        Ok(Self {
            socket,
            codec,
            trust,
            session: session.clone(),
            unflushed: true,
            repeated: 0,
            failed: None,
            world: PhantomData,
        })
    }

    /// What the server said at the login.
    pub fn welcome(&self) -> &Welcome {
        &self.session.welcome
    }

    /// The commands without a reply.
    pub fn unanswered(&self) -> usize {
        self.session.unanswered()
    }

    /// How many replies and events came that were known, or not awaited, and so were not handed
    /// out. Some are right after a session was resumed; else they are the server's mistake.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Writes a command and says its number. Its reply comes as an update. A socket that has failed
    /// is no error here: the command has its number, and [`Connection::next`] tells of the failure;
    /// on the next socket it is sent again.
    ///
    /// # Errors
    /// When too many wait for replies, or when it can't be encoded. Nothing has its number then.
    pub async fn command(&mut self, payload: &W::Command) -> Result<u64, ClientError> {
        let seq = self.session.next_command()?;
        let bytes = Outgoing::Command { seq, payload }.encode(self.codec)?;
        self.session.commanded(seq, bytes.clone());
        if let Err(error) = self.write(bytes).await {
            self.failed = Some(error);
        }
        Ok(seq)
    }

    /// Writes an input and says its number, which comes back in frames once it took effect.
    ///
    /// # Errors
    /// When it can't be encoded, or when the socket has failed.
    pub async fn input(&mut self, payload: &W::Input) -> Result<u64, ClientError> {
        let seq = self.session.next_input();
        self.send(&Outgoing::Input { seq, payload }).await?;
        Ok(seq)
    }

    /// Writes to a channel of which the session is a member. There is no answer: see
    /// [`Client::publish`](crate::Client::publish).
    ///
    /// # Errors
    /// When it can't be encoded, or when the socket has failed.
    pub async fn publish<P: Serialize + ?Sized>(
        &mut self,
        channel: &str,
        payload: &P,
    ) -> Result<(), ClientError> {
        let message = Self::encode_publish(self.codec, channel, payload)?;
        self.write(message).await
    }

    /// What is said on a channel, as it is written.
    pub(crate) fn encode_publish<P: Serialize + ?Sized>(
        codec: Codec,
        channel: &str,
        payload: &P,
    ) -> Result<Bytes, ClientError> {
        let channel = channel.to_owned();
        Ok(Outgoing::Publish { channel, payload }.encode(codec)?)
    }

    /// The codec it speaks.
    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Asks for a pong with this number.
    ///
    /// # Errors
    /// When the socket has failed.
    pub async fn ping(&mut self, nonce: u64) -> Result<(), ClientError> {
        self.send(&Outgoing::<()>::Ping(nonce)).await
    }

    /// Hands what was written to the operating system.
    ///
    /// # Errors
    /// When the socket has failed.
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        self.socket.flush().await?;
        self.unflushed = false;
        Ok(())
    }

    /// Logs out, and waits until the server has closed the socket.
    ///
    /// # Errors
    /// When the socket has failed before, or the server does not close it in time.
    pub async fn bye(mut self) -> Result<(), ClientError> {
        self.send(&Outgoing::<()>::Bye).await?;
        let closed = async {
            loop {
                match self.next().await {
                    Ok(_) => {}
                    Err(ClientError::Closed) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        tokio::time::timeout(CONNECT_TIMEOUT, closed)
            .await
            .map_err(|_| ClientError::Timeout(CONNECT_TIMEOUT))?
    }

    /// Gives the socket up and keeps what it takes to resume the session.
    pub fn into_resume(self) -> Resume {
        Resume {
            codec: self.codec,
            trust: self.trust,
            session: self.session,
        }
    }

    /// The next update. Safe to be dropped while waiting: nothing is lost.
    ///
    /// # Errors
    /// When the connection has ended; whatever was said before has been handed out.
    pub async fn next(&mut self) -> Result<Update<W>, ClientError> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Update<W>, ClientError>> {
        loop {
            let Poll::Ready(message) = self.socket.poll_next_unpin(context) else {
                if let Some(error) = self.failed.take() {
                    return Poll::Ready(Err(error));
                }
                // Only now: what the owner writes in answer to several messages that came
                // together goes out together.
                return self.poll_flush(context).map(Err);
            };
            let message = message.ok_or(ClientError::Closed)??;
            let Some(bytes) = payload(message) else {
                continue;
            };
            let update = self.take(bytes)?;
            if let Some(number) = self.session.acknowledgement() {
                self.acknowledge(number)?;
            }
            if let Some(update) = update {
                return Poll::Ready(Ok(update));
            }
            self.repeated += 1;
        }
    }

    /// Goes on flushing; ready only with an error.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<ClientError> {
        if self.unflushed
            && let Poll::Ready(flushed) = self.socket.poll_flush_unpin(context)
        {
            self.unflushed = false;
            if let Err(error) = flushed {
                return Poll::Ready(error.into());
            }
        }
        Poll::Pending
    }

    /// Makes an update of a message; `None` for one that is known already.
    fn take(&mut self, bytes: Bytes) -> Result<Option<Update<W>>, ClientError> {
        let codec = self.codec;
        let message = match Incoming::decode(codec, bytes)? {
            Incoming::Frame(bytes) => {
                return Ok(Some(Update::Frame(EncodedFrame { codec, bytes })));
            }
            Incoming::Message(message) => message,
        };
        Ok(match message {
            ServerMessage::Reply { seq, outcome } => {
                if !self.session.replied(seq) {
                    return Ok(None);
                }
                let outcome = match outcome {
                    Ok(payload) => Ok(payload.decode()?),
                    Err(error) => Err(error),
                };
                Some(Update::Reply { seq, outcome })
            }
            ServerMessage::Event { n, payload } if self.session.heard(n) => Some(Update::Event {
                n,
                event: payload.decode()?,
            }),
            ServerMessage::Event { .. } => None,
            ServerMessage::Channel {
                n,
                name,
                from,
                payload,
            } => self.session.heard(n).then_some(Update::Channel {
                n,
                name,
                from,
                payload,
            }),
            ServerMessage::Forget(cells) => Some(Update::Forget(cells)),
            ServerMessage::Pong { nonce, server_ms } => Some(Update::Pong { nonce, server_ms }),
            ServerMessage::Moved { url, resume } => {
                self.session.welcome.resume = resume;
                Some(Update::Moved { url })
            }
            ServerMessage::Error { code, message } => {
                return Err(ClientError::Refused { code, message });
            }
            ServerMessage::Welcome(_) => {
                return Err(ClientError::OutOfTurn);
            }
        })
    }

    /// Writes an acknowledgement without waiting: it is a few bytes, and only one per so many
    /// events.
    fn acknowledge(&mut self, number: u64) -> Result<(), ClientError> {
        let bytes = Outgoing::<()>::Ack(number).encode(self.codec)?;
        let message = message(self.codec, bytes)?;
        self.socket.start_send_unpin(message)?;
        self.unflushed = true;
        Ok(())
    }

    async fn send<P: Serialize>(&mut self, message: &Outgoing<P>) -> Result<(), ClientError> {
        let bytes = message.encode(self.codec)?;
        self.write(bytes).await
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), ClientError> {
        self.socket.feed(message(self.codec, bytes)?).await?;
        self.unflushed = true;
        Ok(())
    }
}

/// Opens a socket and logs in on it, within [`CONNECT_TIMEOUT`].
async fn open(
    url: &str,
    codec: Codec,
    hello: Hello,
    trust: Option<&Trust>,
) -> Result<(Socket, Welcome), ClientError> {
    let opened = async {
        let mut request = url.into_client_request()?;
        let protocol = HeaderValue::from_static(codec.subprotocol());
        request
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        // Boxed: what a handshake needs is not kept for the life of the connection.
        let connected = Box::pin(connect_async_tls_with_config(
            request,
            Some(config),
            true,
            trust.map(Trust::connector),
        ));
        let (mut socket, _) = connected.await?;
        let bytes = Outgoing::<()>::Hello(hello).encode(codec)?;
        socket.send(message(codec, bytes)?).await?;
        let welcome = welcome(&mut socket, codec).await?;
        Ok((socket, welcome))
    };
    tokio::time::timeout(CONNECT_TIMEOUT, opened)
        .await
        .map_err(|_| ClientError::Timeout(CONNECT_TIMEOUT))?
}

async fn welcome(socket: &mut Socket, codec: Codec) -> Result<Welcome, ClientError> {
    loop {
        let message = socket.next().await.ok_or(ClientError::Closed)??;
        let Some(bytes) = payload(message) else {
            continue;
        };
        return match Incoming::decode(codec, bytes)? {
            Incoming::Message(ServerMessage::Welcome(welcome)) => Ok(welcome),
            Incoming::Message(ServerMessage::Error { code, message }) => {
                Err(ClientError::Refused { code, message })
            }
            _ => Err(ClientError::OutOfTurn),
        };
    }
}

/// The bytes of a message that carries some; the socket answers pings by itself.
fn payload(message: Message) -> Option<Bytes> {
    match message {
        Message::Binary(bytes) => Some(bytes),
        Message::Text(text) => Some(text.into()),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => None,
    }
}

fn message(codec: Codec, bytes: Bytes) -> Result<Message, ClientError> {
    if codec.is_text() {
        let text = Utf8Bytes::try_from(bytes)
            .map_err(|error| tokio_tungstenite::tungstenite::Error::Utf8(error.to_string()))?;
        Ok(Message::Text(text))
    } else {
        Ok(Message::Binary(bytes))
    }
}
