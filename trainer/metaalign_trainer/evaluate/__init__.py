"""Does a model follow a preference that is given at inference time?"""
