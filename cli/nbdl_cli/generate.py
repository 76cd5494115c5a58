"""`nbdl generate RUN`: text written by a language model, or images made by a network that generates them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nbdl_cli.evaluate import BestFlag, RunArgument
from nbdl_cli.output import JsonFlag, examples

if TYPE_CHECKING:
    import numpy as np

    from nbdl.sampling import Sampler
    from nbdl_cli.network import OpenRun

app = typer.Typer()


@app.command(
    epilog=examples(
        "nbdl generate runs/char_transformer-tiny_shakespeare-1",
        'nbdl generate runs/char_transformer-tiny_shakespeare-1 --prompt "ROMEO:" --length 500 --temperature 0.8',
        "nbdl generate runs/char_rnn-names-1 --length 20 --top-k 10 --seed 7",
        "nbdl generate runs/char_transformer-tiny_shakespeare-1 --top-p 0.9 --best --out play.txt",
        "nbdl generate runs/gan-mnist-1 --count 100 --out digits.png",
    )
)
def generate(
    run: RunArgument,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="What the text begins with.")] = "",
    length: Annotated[
        int, typer.Option(metavar="N", help="Characters (or words) to write; lines, for a run that learned lines.")
    ] = 200,
    temperature: Annotated[
        float, typer.Option(metavar="T", help="Below 1 the probable becomes more probable; 0 leaves nothing to chance.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(metavar="K", help="Choose among the K most probable characters (or words) only.")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(metavar="P", help="Choose among the most probable that add up to P only.")
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", help="Images to make, for a run that learned images.")] = 64,
    seed: Annotated[int, typer.Option(metavar="N", help="Another one gives another text, or other images.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write there instead of to the screen; images as PNG, or as array (NPY)."),
    ] = None,
    best: BestFlag = False,
    json: JsonFlag = False,
) -> None:
    """Let a run that has learned a text, or lines such as names, write on; let one that generates images make some."""
    from nbdl.errors import DataError, OptionError
    from nbdl.sampling import Sampler
    from nbdl_cli.generate_images import makes_images, save_images
    from nbdl_cli.network import open_run
    from nbdl_cli.output import print_json
    from nbdl_cli.predict import write_text

    if length < 1:
        raise OptionError(f"--length must be at least 1, not {length}")
    if seed < 0:
        raise OptionError(f"--seed must be at least 0, not {seed}")
    if out is not None and out.is_dir():
        raise DataError(f"--out {out} is a folder; name a file")
    sampler = Sampler(temperature, top_k, top_p)
    opened = open_run(run, best=best)
    if makes_images(opened):
        if prompt:
            raise OptionError(f"{run} makes images; --prompt is for those that write")
        path = save_images(opened, count, seed, out)
        typer.echo(f"Wrote {count:,} images to {path}", err=True)
        if json:
            print_json({"images": str(path), "count": count, "seed": seed, "weights": opened.weights, "run": str(run)})
        return
    text = written(opened, prompt, length, sampler, seed)
    if out is not None:
        write_text(out, text + "\n")
        typer.echo(f"Wrote {len(text):,} characters to {out}", err=True)
    if json:
        print_json({"text": text, "prompt": prompt, "seed": seed, "weights": opened.weights, "run": str(run)})
    elif out is None:
        typer.echo(text)


def written(opened: "OpenRun", prompt: str, length: int, sampler: "Sampler", seed: int) -> str:
    """Return what a run writes: the prompt and what follows, or lines that begin with it.

    Raises:
        OptionError: the run has not learned to say what comes next in a text.
        DataError: the prompt has characters or words that the text of the run had not, or is too long for a line.
    """
    import numpy as np

    from nbdl.data.lines import LineTokens
    from nbdl.data.text import TextWindows
    from nbdl.data.vocabulary import END, START
    from nbdl.errors import DataError, OptionError
    from nbdl.sampling import continued

    rows = opened.facts.preprocessing
    if not isinstance(rows, TextWindows | LineTokens) or opened.net.task is not None:
        raise OptionError(
            f"{opened.folder.path} was trained on {opened.facts.name} ({opened.facts.task}); generate needs a run that "
            "learned to write a text, or to make images, such as: nbdl train char_transformer --data tiny_shakespeare"
        )
    vocabulary = rows.vocabulary
    begin = vocabulary.encode(prompt, "--prompt").tolist() if prompt else []
    generator = np.random.default_rng(seed)
    writer = _Writer(opened)

    def follow(tokens: list[int], most: int, stop: int | None) -> list[int]:
        return tokens + continued(
            writer.scores, tokens, most, window=writer.window, sampler=sampler, generator=generator, stop=stop
        )

    if isinstance(rows, LineTokens):
        left = rows.time - 1 - len(begin)
        if left < 0:
            raise DataError(f"--prompt has {len(begin)} {vocabulary.unit}; a line has at most {rows.time - 1}")
        return "\n".join(vocabulary.decode(follow([START, *begin], left, END)) for _ in range(length))
    if not begin:
        begin = [vocabulary.tokens.index("\n") if "\n" in vocabulary.tokens else 0]
    return vocabulary.decode(follow(begin, length, None))


class _Writer:
    """The scores that a run's network gives the next token, from one program for all of a text."""

    def __init__(self, opened: "OpenRun"):
        import numpy as np

        from nbdl.errors import OptionError
        from nbdl.train.measuring import Prediction
        from nbdl_cli.answers import ends_in_probabilities

        (self.window,) = opened.facts.input_shape
        self.tokens = np.zeros((1, self.window), opened.facts.dtype)
        self.prediction = Prediction(opened.net, self.tokens)
        self.are_probabilities = ends_in_probabilities(opened)
        shape = self.prediction.run().shape
        if shape != (1, self.window, opened.facts.outputs):
            raise OptionError(
                f"{opened.folder.path}: the network gives {shape[1:]} for each row; to write it must give a score for "
                f"each token at each place, {(self.window, opened.facts.outputs)}"
            )

    def scores(self, tokens: "np.ndarray") -> "np.ndarray":
        """Return logits of what follows each token, `(1, window, tokens)`."""
        import numpy as np

        self.tokens[:] = tokens
        predicted = self.prediction.run()
        return np.log(np.maximum(predicted, 1e-30)) if self.are_probabilities else predicted
