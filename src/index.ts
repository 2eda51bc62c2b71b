/** The browser-safe part of the library: everything that touches neither files nor a particular runtime. */
export {
  type Batch,
  type BatchDescription,
  type BatchesOptions,
  type BatchRequest,
  type DataSet,
  type DataSetInfo,
  type DataSetOptions,
  listDataSets,
  makeBatch,
} from './data/index.ts';
export type { Cause, Diagnosis, Finding, RemedyHint, RuleId, Severity, Verdict } from './diagnosis/finding.ts';
export type { Attribution, LayerShare, Merge } from './flow/attribution.ts';
export { type FactorKind, factorKinds } from './flow/kinds.ts';
export type { FlowEdge, FlowLayer, FlowParameter, FlowProfile, FlowValue } from './flow/profile.ts';
export type { RecurrentFlow, StepGain } from './flow/recurrent.ts';
export type { TensorStatistics } from './flow/statistics.ts';
export type { UpdateRule } from './flow/update.ts';
export type { TypedArray } from './graph/data-type.ts';
export { DataError, GradientError, ReaderError, RuntimeFailure, UsageError, UserError } from './graph/errors.ts';
export type { Graph, Model, Node, ValueInfo } from './graph/graph.ts';
export { type Tensor, tensorOf } from './graph/tensor.ts';
export { readModelSource } from './readers/index.ts';
export { memorySource, type Source } from './readers/source.ts';
export { remedies } from './remedies/index.ts';
export {
  type Design,
  type Patch,
  type Patient,
  type Remedy,
  type RemedyChange,
  RemedyError,
  type TrainingSetup,
} from './remedies/remedy.ts';
export {
  COMPARISON_SCHEMA,
  type Comparison,
  type DecadesChange,
  renderComparisonJson,
  type Side,
} from './report/compare.ts';
export type { FindingChange } from './report/compare-findings.ts';
export type { ComparedLayer, LayerPair } from './report/compare-layers.ts';
export { renderComparisonMarkdown } from './report/compare-markdown.ts';
export { type ComparisonOptions, renderComparison } from './report/compare-terminal.ts';
export type { Example, Explanation, Plot, Table, Topic } from './report/explanation.ts';
export { renderExplanationMarkdown } from './report/explanation-markdown.ts';
export { renderExplanation, renderTopics } from './report/explanation-text.ts';
export { renderHtml } from './report/html/index.ts';
export { REPORT_SCHEMA, renderJson, reportOf } from './report/json.ts';
export { LONGEST_COMMENT, type MarkdownOptions, renderMarkdown } from './report/markdown.ts';
export { isReport, readReport, type SavedReport } from './report/read-json.ts';
export { renderSeries, type SeriesFormat, type SeriesRow, seriesOf } from './report/series.ts';
export type {
  FindingFate,
  LayerMovement,
  ModelDescription,
  ProbeDescription,
  ReportSubject,
  StepsDescription,
} from './report/subject.ts';
export { type ReportOptions, renderTerminal } from './report/terminal.ts';
export { renderTheory, renderTheoryJson, THEORY_SCHEMA, type TheorySubject } from './report/theory-report.ts';
export { renderTreatmentHtml } from './report/treatment/html.ts';
export { renderTreatmentJson, TREATMENT_SCHEMA, treatmentOf } from './report/treatment/json.ts';
export { renderTreatmentMarkdown } from './report/treatment/markdown.ts';
export { renderTreatment } from './report/treatment/terminal.ts';
export type { Treatment, TreatmentOutcome } from './report/treatment/treatment.ts';
export type { Runtime, Session } from './runtime/runtime.ts';
export { type MeanField, meanField } from './theory/mean-field.ts';
export type { LayerTheory, Theory } from './theory/theory.ts';
export type { Clipping } from './training/clipping.ts';
export type { Fault } from './training/fault.ts';
export { type LossKind, lossKinds } from './training/losses.ts';
export { type OptimizerChoice, optimizers } from './training/optimizers/index.ts';
export { type ScheduleChoice, scheduleKinds } from './training/schedule-choice.ts';
export { inlineExecutor } from './trials/inline.ts';
export type { Executor, Plan, TrialData, TrialResult, TrialTask } from './trials/trial.ts';
export { type CompareOptions, compare } from './verbs/compare.ts';
export { type DiagnoseStepsOptions as DiagnoseOptions, diagnoseSteps as diagnose } from './verbs/diagnose-steps.ts';
export { type DifferentiatedModel, type DifferentiateOptions, differentiate } from './verbs/differentiate.ts';
export { type ExplainOptions, explain, listTopics } from './verbs/explain.ts';
export { tensorData } from './verbs/open-data.ts';
export { recordRun, resumeFrom } from './verbs/record-run.ts';
export { type DataNames, requestBatch } from './verbs/request-batch.ts';
export { runTrial } from './verbs/run-trial.ts';
export { type TheoryOptions, theory } from './verbs/theory.ts';
export { type TrainEvent, type TrainOptions, train } from './verbs/train.ts';
export { openTrainingData, type TrainingData } from './verbs/training-data.ts';
export { type TreatData, type TreatEvent, type TreatOptions, type TrialStore, treat } from './verbs/treat.ts';
