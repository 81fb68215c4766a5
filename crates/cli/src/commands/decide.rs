use vmwright_engine::{Decide, Operation};

/// Weigh options against what the choice has to meet, and by weighted criteria: which hypervisor, storage, network or
/// isolation.
///
/// Options that do not meet a need are excluded, whatever they score; what is not known is said, and not chosen. The others
/// are weighed from three perspectives: security, performance and operations. The result says how far they agree, who would
/// take what else and why, and which change of a weight or a need would change the choice. What is known of each option
/// comes with its source; the scores are a judgement of these sources, and no measurement of your host.
///
/// Without a question it lists what there is to decide, with needs, criteria and options.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The question in your words, or a topic: `hypervisor`, `storage`, `network`, `isolation`.
    #[arg(default_value = "", hide_default_value = true)]
    question: String,
    /// The topic, where the question does not tell it.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// What the choice has to meet; besides what the words of the question say.
    #[arg(long, value_name = "NEED", value_delimiter = ',')]
    need: Vec<String>,
    /// What it has not to meet, though the question sounds so.
    #[arg(long, value_name = "NEED", value_delimiter = ',')]
    without: Vec<String>,
    /// The weight of a criterion (in all perspectives) or of a perspective, 0 to 10: `security=5`, `latency=0`.
    #[arg(long, value_name = "NAME=WEIGHT", value_delimiter = ',', value_parser = weight)]
    weight: Vec<(String, u32)>,
    /// Only these options.
    #[arg(long, value_name = "OPTION", value_delimiter = ',')]
    only: Vec<String>,
    /// A note to keep with it.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
}

fn weight(text: &str) -> Result<(String, u32), &'static str> {
    let (name, weight) = text.split_once('=').ok_or("no NAME=WEIGHT")?;
    Ok((name.to_owned(), weight.parse().map_err(|_| "the weight is no whole number from 0 to 10")?))
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        let Self { question, topic, need: needs, without, weight: weights, only, note: notes } = self;
        Operation::Decide(Decide { question, topic, needs, without, weights, only, notes })
    }
}
