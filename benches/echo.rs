//! Lives here: the floor of `client/...`: a server that sends each WebSocket message back.
//! Not here: the clients (`client`).
//!
//! It is what actix-web with actix-ws gives anybody: same threads, same limit on messages, every
//! message answered as soon as it is read. It decodes nothing, decides nothing, stores nothing.

use std::net::TcpListener;

use actix_web::rt::spawn;
use actix_web::web::{Payload, get};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer};
use actix_ws::Message;
use anyhow::Result;
use futures_util::StreamExt;

use crate::client::{announce, wait_for_parent};

/// Serves until the parent process goes away.
pub(crate) fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    announce(listener.local_addr()?);
    actix_web::rt::System::new().block_on(async {
        let app = || App::new().route("/v1/ws", get().to(open));
        let server = HttpServer::new(app)
            .listen(listener)?
            .disable_signals()
            .run();
        let handle = server.handle();
        let (gone, parent_gone) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            wait_for_parent();
            // Nobody listens any more: then the server has ended by itself.
            gone.send(()).unwrap_or_default();
        });
        spawn(async move {
            // An error means that the thread has ended, which comes to the same.
            parent_gone.await.unwrap_or_default();
            handle.stop(false).await;
        });
        server.await?;
        Ok(())
    })
}

async fn open(request: HttpRequest, body: Payload) -> Result<HttpResponse, Error> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            let sent = match message {
                Message::Binary(bytes) => session.binary(bytes).await,
                Message::Text(text) => session.text(text).await,
                Message::Ping(bytes) => session.pong(&bytes).await,
                Message::Close(_) => return session.close(None).await.unwrap_or_default(),
                _ => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        }
    });
    Ok(response)
}
