//! Record `kvm-probe`.

use crate::kvm::probe;
use crate::live::Collector;
use vmwright_model::Kind;

pub(super) fn run(collector: &mut Collector<'_>) {
    let content = collector.within(|| probe().to_text().into_bytes());
    collector.push("kvm-probe".to_owned(), Some(Kind::new("kvm_probe")), content);
}
