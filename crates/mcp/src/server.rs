//! The server: what a client asks, answered.

use crate::mark;
use crate::parameters::{Given, brief, did_you_mean};
use crate::resources;
use crate::rituals::{DATA, PRIORITIES, RITUALS};
use crate::session::{At, Grants, Standing, Wanted};
use crate::shown::{Answer, answer, failure};
use crate::thinking::{Chain, Thought};
use crate::tools::{self, Call, Showing, Tool};
use crate::worker::{Done, Failed, Line, WorkerError, Workers};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CustomRequest, CustomResult, ErrorData,
    GetPromptRequestParams, GetPromptResponse, GetPromptResult, JsonObject, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
    ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ServerHandler, model};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use vmwright_engine::{Operation, Which};
use vmwright_model::Mode;

/// How many analyses a session keeps for reading as resources.
const KEPT: usize = 8;

/// How often a client that asked for progress hears that the work goes on, where the work itself says nothing.
const STILL: Duration = Duration::from_secs(5);

/// How many messages of progress wait for a slow client; more are left out.
const WAITING: usize = 64;

/// How many entries of the journal a mode opens with.
const RECALLED: usize = 5;

/// One client's server.
#[derive(Clone)]
pub(crate) struct Server {
    workers: Arc<Workers>,
    session: Arc<Mutex<Session>>,
}

struct Session {
    /// Whether clients are told of protocols that know no sessions. A mode lives in one: where each request may come over a
    /// connection of its own, those protocols could never enter a mode.
    sessionless: bool,
    standing: Standing,
    chain: Chain,
    /// Analyses, marked, with their numbers.
    analyses: VecDeque<(u64, Value)>,
    analysed: u64,
}

/// What came of one operation.
type Came = Result<Result<Done, Failed>, WorkerError>;

impl Server {
    pub(crate) fn new(workers: Arc<Workers>, grants: &Grants, state: &Path) -> Self {
        Self::made(workers, grants, state, true)
    }

    /// One that is reached over HTTP, in sessions alone.
    pub(crate) fn with_sessions(workers: Arc<Workers>, grants: &Grants, state: &Path) -> Self {
        Self::made(workers, grants, state, false)
    }

    fn made(workers: Arc<Workers>, grants: &Grants, state: &Path, sessionless: bool) -> Self {
        let standing = Standing::new(grants, state);
        let analyses = VecDeque::new();
        let session = Session { sessionless, standing, chain: Chain::default(), analyses, analysed: 0 };
        Self { workers, session: Arc::new(Mutex::new(session)) }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        // Whoever held it left it whole: nothing in here panics half way.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> Standing {
        self.session().standing.clone()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.session().standing.state.clone()
    }

    pub(crate) fn analyses(&self) -> Vec<(u64, Value)> {
        self.session().analyses.iter().cloned().collect()
    }

    async fn called(
        &self,
        name: &str,
        sent: JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> Result<Answer, ErrorData> {
        let standing = self.standing();
        let there = tools::of(&standing);
        let Some(tool) = there.iter().find(|tool| tool.name == name) else {
            return Err(ErrorData::invalid_params(no_tool(name, &there, &standing), None));
        };
        let given = match Given::check(sent, tool.parameters) {
            Ok(given) => given,
            Err(problems) => return Ok(failure("usage", &format!("{name}: {}", problems.join("; ")))),
        };
        match (tool.call)(&given, &standing) {
            Err(why) => Ok(failure("usage", &format!("{name}: {why}"))),
            Ok(Call::Enter(wanted)) => Ok(self.enter(wanted, context).await),
            Ok(Call::Think(thought)) => Ok(self.think(&thought, context).await),
            Ok(Call::PerformWith(operation, input)) => {
                Ok(answer(self.perform(operation, input, context).await, Showing::All))
            }
            Ok(Call::Perform(operations, showing)) => Ok(self.in_turn(operations, showing, context).await),
        }
    }

    /// Operations one after the other; of several that went well, the entries that they gave are put together.
    async fn in_turn(
        &self,
        operations: Vec<Operation>,
        showing: Showing,
        context: &RequestContext<RoleServer>,
    ) -> Answer {
        let changes = operations.iter().any(|one| {
            matches!(one, Operation::Apply { .. } | Operation::Resume { .. } | Operation::Undo { .. })
        });
        let mut all: Option<Done> = None;
        for operation in operations {
            match self.perform(operation, Vec::new(), context).await {
                Ok(Ok(done)) => all = Some(together(all, done)),
                failed => return self.after(answer(failed, showing), changes, context).await,
            }
        }
        let Some(done) = all else { return failure("usage", "nothing to do") };
        if let Some(number) = done.outcome["investigation"].as_i64().filter(|number| *number > 0) {
            self.session().standing.investigation = Some(number);
        }
        if let Some(topic) = done.outcome["topic"].as_str() {
            self.session().standing.topic = Some(topic.to_owned());
        }
        let kept = self.keep(&done);
        let mut made = answer(Ok(Ok(done)), showing);
        if let (Some(number), Showing::Causes) = (kept, showing) {
            made.structured["all"] = format!("vmwright://analyses/{number}").into();
        }
        self.after(made, changes, context).await
    }

    /// Whatever did not end as it was approved ends the mode.
    async fn after(&self, mut made: Answer, changes: bool, context: &RequestContext<RoleServer>) -> Answer {
        let stands = ["applied", "rebooting", "awaiting-reboot"]
            .iter()
            .any(|state| made.structured["result"]["state"] == *state);
        if changes && !stands {
            self.session().standing.mode = At::Analysis;
            let _ = context.peer.notify_tool_list_changed().await;
            made.structured["mode"] = "analysis".into();
            made.text.push_str("The mode is ANALYSIS again.\n");
        }
        made
    }

    /// Keeps an analysis, so that it can be read as a whole. Gives its number.
    fn keep(&self, done: &Done) -> Option<u64> {
        done.outcome.get("causes")?;
        let mut session = self.session();
        session.analysed += 1;
        let number = session.analysed;
        session.analyses.push_back((number, mark::mark(done.outcome.clone())));
        if session.analyses.len() > KEPT {
            session.analyses.pop_front();
        }
        Some(number)
    }

    /// One operation, with its progress.
    pub(crate) async fn perform(
        &self,
        operation: Operation,
        input: Vec<u8>,
        context: &RequestContext<RoleServer>,
    ) -> Came {
        let (sender, mut lines) = mpsc::channel(WAITING);
        let work = async move {
            // A line that finds no room is left out: progress is no record.
            let mut told = |line: Line| drop(sender.try_send(line));
            self.workers.perform(operation, input, &mut told, context.ct.cancelled()).await
        };
        let token = context.meta.get_progress_token();
        let tell = async {
            let mut step = 0_u32;
            loop {
                let message = match tokio::time::timeout(STILL, lines.recv()).await {
                    Ok(None) => return,
                    Ok(Some(Line::Banner(words) | Line::Note(words))) => quoted(&words),
                    Ok(Some(_)) => continue,
                    Err(_) => "still at work".to_owned(),
                };
                step += 1;
                if let Some(token) = &token {
                    let param = json!({ "progressToken": token, "progress": step, "message": message });
                    if let Ok(param) = serde_json::from_value::<ProgressNotificationParam>(param) {
                        let _ = context.peer.notify_progress(param).await;
                    }
                }
            }
        };
        tokio::join!(work, tell).0
    }

    async fn enter(&self, wanted: Wanted, context: &RequestContext<RoleServer>) -> Answer {
        let challenge = wanted.challenge().to_owned();
        let (mode, about) = match wanted {
            Wanted::Analysis { .. } => (At::Analysis, challenge.clone()),
            Wanted::Implementation { plan, .. } => {
                match self.perform(Operation::Approval { plan }, Vec::new(), context).await {
                    Ok(Ok(done)) => {
                        let text = |name: &str| done.outcome[name].as_str().unwrap_or_default().to_owned();
                        let (plan, title) = (text("plan"), text("title"));
                        let short = plan.get(..12).unwrap_or_default().to_owned();
                        (At::Implementation { plan }, format!("{short}, {title}"))
                    }
                    refused => {
                        let mut refused = answer(refused, Showing::All);
                        refused.text.push_str(
                            "IMPLEMENTATION is not entered: a person has to sign the plan with 'vmwright approve' first.\n",
                        );
                        return refused;
                    }
                }
            }
            Wanted::Review { scope, .. } => {
                for vm in &scope {
                    match self.perform(Operation::VmShow { vm: vm.clone() }, Vec::new(), context).await {
                        Ok(Ok(_)) => {}
                        refused => return answer(refused, Showing::All),
                    }
                }
                let about = scope.join(", ");
                (At::Review { scope }, about)
            }
        };
        let banner = mode.mode().banner(&about);
        let tools = {
            let mut session = self.session();
            session.standing.mode = mode.clone();
            tools::of(&session.standing).iter().map(|tool| tool.name).collect::<Vec<_>>()
        };
        let _ = context.peer.notify_tool_list_changed().await;
        let journal = self.recalled(&challenge, context).await;
        let name = mode.mode().to_string().to_lowercase();
        let structured = json!({
            "mode": name, "banner": mark::untrusted(&banner), "tools": tools, "journal": journal,
        });
        let text = format!("mode: {name}; tools: {}\n{}", tools.join(", "), mark::fenced(&banner));
        Answer { structured, text, error: false }
    }

    /// What the journal has of a question: numbers, states and titles.
    async fn recalled(&self, question: &str, context: &RequestContext<RoleServer>) -> Value {
        let which = Which { project: self.standing().project, ..Which::default() };
        let search = Operation::JournalSearch { query: question.to_owned(), limit: RECALLED, which };
        let Ok(Ok(done)) = self.perform(search, Vec::new(), context).await else { return json!([]) };
        let entries = done.outcome["entries"].as_array().cloned().unwrap_or_default();
        let brief = |one: Value| {
            let entry = mark::mark(one[1].clone());
            json!({ "entry": one[0], "state": entry["state"], "operation": entry["operation"],
                    "rules": entry["rules"], "title": entry["title"] })
        };
        entries.into_iter().filter(|one| one[1]["operation"] != "thought").map(brief).collect()
    }

    async fn think(&self, thought: &Thought, context: &RequestContext<RoleServer>) -> Answer {
        let journal = self.recalled(&thought.text, context).await;
        let mut meanings = Vec::new();
        let mut rules: Vec<Value> = Vec::new();
        for code in thought.codes() {
            let explain = Operation::Explain { rule: code };
            let Ok(Ok(done)) = self.perform(explain, Vec::new(), context).await else { continue };
            let found = done.outcome["meanings"].as_array().cloned().unwrap_or_default();
            let named = done.outcome.get("rule").cloned().into_iter();
            let all = named
                .chain(found.iter().flat_map(|one| one["rules"].as_array().cloned().unwrap_or_default()));
            for rule in all {
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
            meanings.extend(found.into_iter().map(mark::mark));
        }
        let project = self.standing().project;
        let add = Operation::JournalAdd {
            title: thought.title(),
            body: thought.text.clone(),
            project,
            thought: true,
        };
        let entry = match self.perform(add, Vec::new(), context).await {
            Ok(Ok(done)) => done.outcome["entries"][0][0].clone(),
            failed => return answer(failed, Showing::All),
        };
        let known = json!({ "entry": entry, "journal": journal, "meanings": meanings,
                            "rules": mark::mark(json!({ "rules": rules }))["rules"] });
        let mut session = self.session();
        session.chain.add(thought);
        let structured = session.chain.answer(thought, known);
        let text = mark::fenced(&structured.to_string());
        Answer { structured, text, error: false }
    }
}

/// Why there is no such tool.
fn no_tool(name: &str, there: &[&Tool], standing: &Standing) -> String {
    match tools::elsewhere(name) {
        Some(mode) if !standing.read_only && mode != standing.mode.mode() => {
            format!("`{name}` is a tool of {mode}, and this is {}: `enter_mode` first", standing.mode.mode())
        }
        Some(Mode::Review) if !standing.read_only => {
            format!("`{name}` needs a server that was started with --machines")
        }
        Some(_) => format!("`{name}` is not offered by a server that was started with --read-only"),
        None => {
            let names: Vec<&str> = there.iter().map(|tool| tool.name).collect();
            format!("there is no tool `{}`{}", brief(name), did_you_mean(name, &names))
        }
    }
}

/// The entries of both.
fn together(before: Option<Done>, now: Done) -> Done {
    let Some(mut all) = before else { return now };
    if let (Some(entries), Value::Array(more)) =
        (all.outcome["entries"].as_array_mut(), now.outcome["entries"].clone())
    {
        entries.extend(more);
    }
    all.text.push_str(&now.text);
    all
}

/// What a worker says on its way, which may hold what a guest wrote: as a quote, in a line.
fn quoted(words: &str) -> String {
    let line: String = mark::shown(words).replace('\n', " ").chars().take(200).collect();
    format!("untrusted: {:?}", line)
}

/// A value of the protocol, made from its JSON.
pub(crate) fn made<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let modes = if self.standing().read_only {
            "This server is read-only: ANALYSIS alone."
        } else {
            "It begins in ANALYSIS; `enter_mode` changes the mode and with it the tools."
        };
        let info = json!({
            "protocolVersion": model::ProtocolVersion::LATEST_WITH_INITIALIZE,
            "capabilities": {
                "tools": { "listChanged": true }, "resources": {}, "prompts": {},
            },
            "serverInfo": { "name": "vmwright", "title": "vmwright", "version": env!("CARGO_PKG_VERSION") },
            "instructions": format!(
                "A QEMU/KVM virtualization engineer. {modes} {PRIORITIES} {DATA} Nothing is changed without a plan that a \
                 person has signed; no argument can stand for that."
            ),
        });
        serde_json::from_value(info).expect("it has every field that the protocol asks for")
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [model::ProtocolVersion]> {
        match self.session().sessionless {
            true => Cow::Borrowed(model::ProtocolVersion::KNOWN_VERSIONS),
            false => {
                Cow::Borrowed(model::ProtocolVersion::known_up_to(&model::ProtocolVersion::V_2025_11_25))
            }
        }
    }

    /// What rmcp cannot read as one of the protocol's own requests comes here.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method;
        let known = ["tools/", "resources/", "prompts/", "completion/", "initialize", "ping", "logging/"];
        if known.iter().any(|begin| method.starts_with(begin)) {
            let why = format!("the parameters of `{}` are not those of the protocol", brief(&method));
            return Err(ErrorData::invalid_params(why, None));
        }
        Err(ErrorData::new(
            model::ErrorCode::METHOD_NOT_FOUND,
            format!("there is no method `{}`", brief(&method)),
            None,
        ))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut list: ListToolsResult = made(json!({ "resultType": "complete", "tools": [] }))?;
        list.tools = tools::listed(&self.standing());
        Ok(list)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let answer = self.called(&request.name, request.arguments.unwrap_or_default(), &context).await?;
        let result: CallToolResult = made(json!({
            "resultType": "complete",
            "content": [{ "type": "text", "text": answer.text }],
            "structuredContent": answer.structured,
            "isError": answer.error,
        }))?;
        Ok(result.into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let read_only = self.standing().read_only;
        let list: Vec<Value> = RITUALS
            .iter()
            .filter(|ritual| !read_only || ritual.mode == Mode::Analysis)
            .map(|ritual| {
                let (name, says) = ritual.takes;
                let argument = json!({ "name": name, "description": says, "required": true });
                json!({ "name": ritual.name, "description": ritual.summary, "arguments": [argument] })
            })
            .collect();
        made(json!({ "resultType": "complete", "prompts": list }))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let Some(ritual) = RITUALS.iter().find(|one| one.name == request.name) else {
            let names: Vec<&str> = RITUALS.iter().map(|one| one.name).collect();
            let near = did_you_mean(&request.name, &names);
            return Err(ErrorData::invalid_params(
                format!("there is no prompt `{}`{near}", brief(&request.name)),
                None,
            ));
        };
        let given = request.arguments.unwrap_or_default();
        let about = given
            .get(ritual.takes.0)
            .and_then(Value::as_str)
            .map(str::trim)
            .filter(|about| !about.is_empty());
        let Some(about) = about else {
            let (name, says) = ritual.takes;
            return Err(ErrorData::invalid_params(format!("`{name}` is needed: {says}"), None));
        };
        let result: GetPromptResult = made(json!({
            "resultType": "complete",
            "description": ritual.summary,
            "messages": [{ "role": "user", "content": { "type": "text", "text": ritual.prompt(about) } }],
        }))?;
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        made(json!({ "resultType": "complete", "resources": resources::list(self) }))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        made(json!({ "resultType": "complete", "resourceTemplates": resources::templates() }))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let (mime, text) = resources::read(self, &request.uri, &context).await?;
        let result: ReadResourceResult = made(json!({
            "resultType": "complete",
            "contents": [{ "uri": request.uri, "mimeType": mime, "text": text }],
        }))?;
        Ok(result.into())
    }
}
