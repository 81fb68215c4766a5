//! Messages as lines: standard input and output, or any other pair of streams.

use rmcp::model::{ErrorData, JsonRpcMessage};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::Value;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Mutex;

/// The longest message, in bytes: what a tool takes at most, every byte of it escaped, and room for the rest.
pub(crate) const LONGEST: usize = 32 << 20;

/// How many lines in a row may be no message, before the client is taken for something else.
const MOST_WRONG: usize = 100;

/// A client that speaks in lines.
pub(crate) struct Lines<R, W> {
    from: BufReader<R>,
    to: Arc<Mutex<W>>,
    /// The line so far: a call of [`Transport::receive`] may be dropped half way, and the next one goes on.
    line: Vec<u8>,
    /// How much of a line that is too long was thrown away.
    dropped: usize,
    wrong: usize,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Lines<R, W> {
    pub(crate) fn new(from: R, to: W) -> Self {
        let from = BufReader::with_capacity(64 << 10, from);
        Self { from, to: Arc::new(Mutex::new(to)), line: Vec::new(), dropped: 0, wrong: 0 }
    }

    /// The next whole line; none at the end. An error names what is wrong with it.
    async fn next(&mut self) -> io::Result<Option<Result<Vec<u8>, String>>> {
        loop {
            let buffer = self.from.fill_buf().await?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            if self.line.len() + part.len() > LONGEST {
                self.dropped += self.line.len() + part.len();
                self.line = Vec::new();
            } else if self.dropped > 0 {
                self.dropped += part.len();
            } else {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.from.consume(used);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                return Ok(Some(match std::mem::take(&mut self.dropped) {
                    0 => Ok(line),
                    bytes => Err(format!("a message of {bytes} bytes; at most {LONGEST} are read")),
                }));
            }
        }
    }
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let to = Arc::clone(&self.to);
        async move { write(&to, &message).await }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let line = self.next().await.ok()??;
            let read = line
                .map_err(|why| (ErrorData::invalid_request(why, None), None))
                .and_then(|line| parsed(&line));
            let (error, id) = match read {
                Ok(None) => continue,
                Ok(Some(message)) => {
                    self.wrong = 0;
                    return Some(message);
                }
                Err(wrong) => wrong,
            };
            self.wrong += 1;
            if self.wrong > MOST_WRONG {
                return None;
            }
            let answer: TxJsonRpcMessage<RoleServer> = JsonRpcMessage::error(error, id);
            // In a task of its own: this call may be dropped half way, and the answer would be lost or end in the middle.
            let to = Arc::clone(&self.to);
            tokio::spawn(async move { write(&to, &answer).await }).await.ok()?.ok()?;
        }
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        self.to.lock().await.shutdown().await
    }
}

/// A message; none where the line says nothing to us.
#[allow(clippy::type_complexity, reason = "an error of JSON-RPC with the request that it answers")]
fn parsed(
    line: &[u8],
) -> Result<Option<RxJsonRpcMessage<RoleServer>>, (ErrorData, Option<rmcp::model::RequestId>)> {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    let error = match serde_json::from_slice(line) {
        Ok(message) => return Ok(Some(message)),
        Err(error) => error,
    };
    let Ok(value) = serde_json::from_slice::<Value>(line) else {
        return Err((ErrorData::parse_error(format!("no JSON: {error}"), None), None));
    };
    // A notification that is not known is nobody's business.
    if value.get("method").is_some() && value.get("id").is_none() {
        return Ok(None);
    }
    let id = value.get("id").and_then(|id| serde_json::from_value(id.clone()).ok());
    Err((ErrorData::invalid_request("no message of the Model Context Protocol", None), id))
}

async fn write<W: AsyncWrite + Unpin>(
    to: &Mutex<W>,
    message: &TxJsonRpcMessage<RoleServer>,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut to = to.lock().await;
    to.write_all(&line).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Poll;
    use tokio::io::duplex;

    #[test]
    fn an_answer_to_nonsense_is_whole_though_nobody_waits_for_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut client, from) = duplex(1024);
            // Room for the beginning of an answer alone.
            let (to, back) = duplex(8);
            let mut lines = Lines::new(from, to);
            client.write_all(b"nonsense\n").await.unwrap();
            {
                let mut receive = pin!(lines.receive());
                std::future::poll_fn(|context| {
                    assert!(receive.as_mut().poll(context).is_pending());
                    Poll::Ready(())
                })
                .await;
            }
            let mut line = String::new();
            BufReader::new(back).read_line(&mut line).await.unwrap();
            let answer: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(answer["error"]["code"], -32700, "{line}");
        });
    }
}
