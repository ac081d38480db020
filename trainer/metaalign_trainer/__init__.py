"""A minimal trainer for preferences given at inference time: SFT and DPO on the published dataset, nothing hidden."""
