"""Every classifier of the utility test with every alteration, and the classifiers of users."""

import inspect
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from skorch import NeuralNetClassifier
from torch import nn
from torch.utils.data import DataLoader

from ganaug import LabeledImages, utility_report
from ganaug._runtime.parallel import run_parallel
from ganaug.evaluation import (
    ALTERATIONS,
    BASELINES,
    CLASSIFIERS,
    CNN,
    DrawnImages,
    FunctionClassifier,
    NotApplicableError,
    ResNet18,
    SklearnClassifier,
    TrainingSet,
    balance_classes,
    classical_augmentation,
    mix_synthetic,
    n_training_steps,
    resolve_classifier,
    weight_classes,
)
from ganaug.evaluation.classifiers import train_and_predict
from tests.sets import noise, tones

SMALL = noise((9, 6, 3), shape=(1, 16, 16))


def dark_and_bright(count=20):
    """Two classes that a linear layer separates."""
    images = tones(count)
    return LabeledImages(images.images, (images.labels > 1).long(), ("dark", "bright")).take(images.labels != 1)


def accuracy(predict, images):
    return (predict(images.images).argmax(1) == images.labels.numpy()).mean()


class Net(nn.Module):
    """A linear layer on images, or on rows if they are flat."""

    def __init__(self, n_inputs=256, n_classes=3, takes_rows=False):
        super().__init__()
        self.takes_rows, self.linear = takes_rows, nn.Linear(n_inputs, n_classes)

    def forward(self, images):
        assert images.dtype == torch.float32
        return self.linear(images if self.takes_rows else images.flatten(1) - 0.5)


def skorch_net(**options):
    options = {"criterion": nn.CrossEntropyLoss, "max_epochs": 2, "train_split": None, "lr": 0.1, **options}
    return NeuralNetClassifier(Net, iterator_train__shuffle=True, **options)


def train_linear(dataset, seed):
    net = nn.Linear(256, len(dataset.classes))
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for images, labels in DataLoader(dataset, batch_size=64, shuffle=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images.flatten(1) / 255 - 0.5), labels).backward()
        optimizer.step()
    return lambda images: net(images.flatten(1) / 255 - 0.5)


TRAINERS = {
    **CLASSIFIERS,
    "cnn": CNN(steps=2, width=2),
    "resnet18": ResNet18(steps=2),
    "scikit-learn": resolve_classifier(LogisticRegression()),
    "skorch": resolve_classifier(skorch_net()),
    "function": FunctionClassifier(train_linear, "linear", steps=2),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
@pytest.mark.parametrize("name", TRAINERS)
def test_every_classifier_trains_with_every_alteration_or_says_why_not(name, alteration):
    training = replace(mix_synthetic(SMALL, SMALL.take([0, 9]), 0.25), alteration=alteration)
    augment, test = classical_augmentation(SMALL), noise((10,), shape=(1, 16, 16), seed=1).images
    try:
        predicted = train_and_predict(TRAINERS[name], training, augment, test, 0)
    except NotApplicableError:
        assert ALTERATIONS[alteration].mix is not None
        assert name not in ("cnn", "resnet18")
        return
    assert name in ("cnn", "resnet18") or ALTERATIONS[alteration].mix is None
    assert predicted.shape == (10, 3)
    assert predicted.dtype == np.float32
    assert np.exp(predicted).sum(1) == pytest.approx(np.ones(10), abs=1e-5)
    torch.manual_seed(7)  # the global seed has no effect, nor has a journey to another process
    state = torch.random.get_rng_state()
    classifier, training, augment = cloudpickle.loads(cloudpickle.dumps((TRAINERS[name], training, augment)))
    again = classifier(training, augment, _train_seed(0))(test)
    assert np.array_equal(predicted, again)
    assert torch.equal(torch.random.get_rng_state(), state)


def _train_seed(seed):
    from ganaug._runtime.randomness import derive

    return derive(seed, "train")


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 48), (1, 70, 64), (3, 230, 16)])
def test_resnet18_takes_gray_and_color_images_of_any_size(shape):
    images = noise((3, 2), shape=shape)
    predict = ResNet18(steps=1)(TrainingSet.from_images(images), None, 0)
    assert predict(images.images[:1]).shape == (1, 2)


def test_the_first_layers_of_resnet18_follow_the_size_of_the_images():
    from ganaug.evaluation.networks import _build_resnet

    def last_map(shape):
        sizes = []
        net = _build_resnet(shape, 2).eval()
        net.layer4.register_forward_hook(lambda module, inputs, output: sizes.append(tuple(output.shape[2:])))
        net(torch.zeros(1, *shape))
        return sizes[0]

    assert last_map((1, 28, 28)) == (2, 2)
    assert last_map((3, 64, 64)) == (2, 2)
    assert last_map((3, 224, 224)) == (7, 7)


def test_resnet18_of_vectors_names_the_classifier_to_use():
    with pytest.raises(ValueError, match=r"at least 8 pixels.*1 x 30.*'cnn'"):
        ResNet18(steps=1)(TrainingSet.from_images(noise(shape=(1, 1, 30))), None, 0)


def test_resnet18_learns():
    images = dark_and_bright()
    assert accuracy(ResNet18(steps=12)(TrainingSet.from_images(images), None, 0), images) > 0.9


def test_a_function_learns_from_a_whole_training_in_order():
    images = dark_and_bright()
    training = replace(balance_classes(images), length=2)
    dataset = DrawnImages(training, None, 0)
    assert len(dataset) == 64 * n_training_steps(training) == 64 * 278
    image, label = dataset[5]
    assert (image.dtype, image.shape, type(label)) == (torch.uint8, (1, 16, 16), int)
    assert dataset.targets[5] == label
    assert accuracy(resolve_classifier(train_linear)(replace(training, length=0.2), None, 0), images) > 0.9


def test_a_repeated_image_is_altered_differently_each_time_and_an_item_is_always_the_same():
    one = noise((1,), shape=(1, 16, 16))
    dataset = DrawnImages(replace(balance_classes(one), alteration="classical"), classical_augmentation(one), 0, 2)
    items = torch.stack([dataset[i][0] for i in range(len(dataset))])
    assert len(items.unique(dim=0)) > 80
    assert torch.equal(items, torch.stack([dataset[i][0] for i in range(len(dataset))]))
    assert torch.equal(dataset[-1][0], items[-1])
    with pytest.raises(IndexError, match=r"128"):
        dataset[128]


def test_synthetic_images_come_first_in_the_data_set_of_a_function():
    synthetic = noise((5, 5, 5), shape=(1, 16, 16), seed=3)
    synthetic.images[:] = 255
    dataset = DrawnImages(replace(mix_synthetic(SMALL, synthetic, 0.25), synthetic_first=True), None, 0, 4)
    assert [bool((dataset[i][0] == 255).all()) for i in range(256)] == [True] * 128 + [False] * 128


def test_two_threads_train_functions_and_nets_as_one_does():
    def train(seed):
        return [TRAINERS[name](balance_classes(SMALL), None, seed)(SMALL.images) for name in ("function", "skorch")]

    alone = [train(seed) for seed in range(4)]
    with ThreadPoolExecutor(2) as pool:
        assert np.array_equal(alone, list(pool.map(train, range(4))))


def test_functions_of_a_program_train_in_other_processes():
    # a function of a program, unlike one of a module, is sent as code
    program = {"torch": torch, "DataLoader": DataLoader, "__name__": "__main__"}
    source = inspect.getsource(train_linear).replace("nn.", "torch.nn.")
    exec(compile(source, "program", "exec"), program)
    classifier = FunctionClassifier(program["train_linear"], "linear", steps=2)
    jobs = [(classifier, BASELINES[name](SMALL, 0), None, SMALL.images, 0) for name in ("oversampling", "RandAugment")]
    here = list(run_parallel(train_and_predict, jobs))
    with joblib.parallel_config("loky", n_jobs=2):
        assert np.array_equal(here, list(run_parallel(train_and_predict, jobs)))
    again = cloudpickle.loads(cloudpickle.dumps(classifier))
    assert np.array_equal(again(jobs[0][1], None, _train_seed(0))(SMALL.images), here[0])


@pytest.mark.parametrize(
    ("predict", "error", "message"),
    [
        (None, TypeError, r"bad must return a function.*NoneType"),
        (lambda images: torch.zeros(len(images)), ValueError, r"bad.*\(64, 3\).*got \(64,\).*one column a class"),
        (lambda images: torch.full((len(images), 3), torch.nan), ValueError, r"bad.*not finite.*learning rate"),
        (lambda images: torch.full((len(images), 3), 1 / 3), ValueError, r"bad.*are probabilities.*logarithm"),
    ],
)
def test_what_is_wrong_with_a_function_is_named_with_the_fix(predict, error, message):
    with pytest.raises(error, match=message):
        FunctionClassifier(lambda dataset, seed: predict, "bad", steps=1)(TrainingSet.from_images(SMALL), None, 0)(
            SMALL.images
        )


def test_log_probabilities_of_a_function_stay_as_they_are():
    expected = np.log([[0.7, 0.2, 0.1]])
    classifier = FunctionClassifier(lambda dataset, seed: lambda x: np.tile(expected, (len(x), 1)), "constant", 1)
    assert classifier(TrainingSet.from_images(SMALL), None, 0)(SMALL.images[:1]) == pytest.approx(expected)


def test_a_function_without_weights_of_the_loss_says_so():
    with pytest.raises(NotApplicableError, match="weights of the loss"):
        TRAINERS["function"](weight_classes(SMALL), None, 0)


def test_the_parameters_of_a_function_decide_what_it_is():
    assert isinstance(resolve_classifier(lambda: LogisticRegression()), SklearnClassifier)
    assert isinstance(resolve_classifier(LogisticRegression), SklearnClassifier)
    assert isinstance(resolve_classifier(train_linear), FunctionClassifier)
    assert isinstance(resolve_classifier(lambda dataset, seed=0, epochs=3: None), FunctionClassifier)
    assert isinstance(resolve_classifier(partial(lambda lr, dataset, seed: None, 0.1)), FunctionClassifier)
    for wrong in (lambda dataset: None, lambda a, b, c: None):
        with pytest.raises(TypeError, match=r"takes the parameters (dataset|a, b, c)\. .*\(dataset, seed\)"):
            resolve_classifier(wrong)


def test_an_object_that_is_no_classifier_is_named():
    with pytest.raises(TypeError, match=r"Ridge\(\) is none"):
        resolve_classifier(Ridge())
    with pytest.raises(TypeError, match=r"cnn, features, resnet18.*got 3"):
        resolve_classifier(3)


@pytest.mark.parametrize("alteration", ["none", "classical"])
def test_a_skorch_net_takes_the_steps_of_real_images_whatever_is_added(alteration):
    images = noise((30, 10, 5), shape=(1, 16, 16))
    epochs = {}
    for training in (TrainingSet.from_images(images), balance_classes(images), mix_synthetic(images, images, 0.5)):
        for length in (1, 2):
            model = skorch_net(max_epochs=6)
            changed = replace(training, length=length, alteration=alteration)
            SklearnClassifier(lambda model=model: model, "net")(changed, classical_augmentation(images), 0)
            rows = int(changed.repeats().sum())
            epochs[rows, length] = len(model.history)
            assert len(model.history) * rows == pytest.approx(6 * length * len(images), rel=0.5)
    assert (epochs[45, 1], epochs[45, 2]) == (6, 12)


def test_a_skorch_net_learns_and_is_quiet(capsys):
    images, net = dark_and_bright(), skorch_net(max_epochs=30, lr=1e-3, verbose=1, module__n_classes=2)
    assert accuracy(resolve_classifier(net)(TrainingSet.from_images(images), None, 0), images) > 0.9
    assert not capsys.readouterr().out


def test_a_skorch_net_knows_classes_that_its_images_lack():
    without_c = SMALL.take(SMALL.labels < 2)
    assert TRAINERS["skorch"](TrainingSet.from_images(without_c), None, 0)(SMALL.images).shape == (len(SMALL), 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"module__takes_rows": True}, r"float32 images of shape \(18, 1, 16, 16\).*torch\.nn\.Flatten\(\)"),
        ({"module__n_classes": 4}, r"predicts 4 columns for 3 classes.*3 outputs"),
    ],
)
def test_a_skorch_net_that_does_not_fit_the_images_is_named_with_the_fix(options, message):
    with pytest.raises(ValueError, match=message):
        resolve_classifier(skorch_net(**options))(TrainingSet.from_images(SMALL), None, 0)(SMALL.images)


def test_what_a_skorch_net_cannot_do_is_named():
    training = replace(mix_synthetic(SMALL, SMALL, 0.5), synthetic_first=True)
    with pytest.raises(NotApplicableError, match="none can come first"):
        TRAINERS["skorch"](training, None, 0)
    with pytest.raises(NotApplicableError, match="sample_weight"):
        TRAINERS["skorch"](weight_classes(SMALL), None, 0)


@pytest.mark.parametrize("classifier", [skorch_net(), FunctionClassifier(train_linear, "linear", steps=2)])
def test_a_report_of_a_classifier_of_the_user(classifier):
    images = tones(24)
    real, synthetic, test = (images.take(torch.arange(start, end, 3)) for start, end in ((0, 60), (1, 72), (2, 72)))
    report = utility_report(real, synthetic, test=test, classifier=classifier, n_seeds=2, resamples=20, shares=(0.25,))
    subjects = set(report.to_frame()["subject"])
    assert {"real only", "oversampling", "RandAugment", "25% synthetic"} <= subjects
    assert not {"mixup", "CutMix"} & subjects
    assert any("class weights" in note for note in report.facts["notes"])


def test_the_function_of_the_documentation_trains():
    page = (Path(__file__).parents[3] / "docs" / "usefulness.md").read_text()
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def train(" in block]
    function = block.split("\n\n\nreport")[0]
    names = {"torch": torch, "cross_entropy": nn.functional.cross_entropy, "DataLoader": DataLoader}
    names["MyNetwork"] = lambda n_classes: Net(n_classes=n_classes)
    exec(compile(function, "usefulness.md", "exec"), names)  # our own page
    images = dark_and_bright()
    predict = resolve_classifier(names["train"])(replace(balance_classes(images), length=0.3), None, 0)
    assert accuracy(predict, images) > 0.9
