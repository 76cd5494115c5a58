"""Tell handwritten digits apart: data, a network, training with early stopping, a file, and predictions from it."""

import nbdl
from nbdl import nn
from nbdl.data import load

data = load("digits", seed=0)
net = nn.Sequential(nn.Flatten(), nn.Dense(64, activation="relu"), nn.Dropout(0.1), nn.Dense(data.outputs))
print(net.summary(data.input_shape))

net.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
early = {"name": "early_stopping", "monitor": "val_loss", "patience": 5}
history = net.fit(data, epochs=60, validation_split=0.1, callbacks=[early], seed=0, verbose=False)
print(f"{len(history)} epochs, {history.stopped or 'all of them'}")
print("test rows:", net.evaluate(data))

net.save("digits.nbdl")
loaded = nbdl.load("digits.nbdl")
print("first test rows:", loaded.predict(data.test.x[:10]).argmax(axis=1), "should be", data.test.y[:10])
